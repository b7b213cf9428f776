//! Real limits of the system: each test runs itself once more in a process below the limit, where
//! it affects no other test.

use std::{
    env, fmt,
    fs::File,
    iter,
    path::Path,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use super::*;

const INSIDE: &str = "FLAGSTAFF_TEST_BELOW_A_LIMIT";

/// The environment of a container: own mounts, and own limits for inotify below `/proc/sys/user`.
const CONTAINER: &str = "unshare --user --map-root-user --mount sh -euc";

fn fast() -> Timing {
    Timing { poll: Duration::from_millis(20), ..Timing::default() }
}

/// Runs `test` in a process of its own, started by the shell script `start`. Returns `true` in that
/// process.
fn inside(test: &str, start: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let output = Command::new("sh")
        .args(["-euc", start, "sh"])
        .arg(env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture", "--test-threads=2"])
        .env(INSIDE, "yes")
        .output()
        .unwrap();

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
    false
}

fn containers_are_allowed() -> bool {
    let script = format!("{CONTAINER} 'mount --version'");
    let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
    if !output.status.success() {
        // `unshare` or `mount` may be refused or missing; the output names the cause.
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    output.status.success()
}

/// The messages that are logged from here on, by all threads.
///
/// `tracing-subscriber` would do, but each build of an example would build it too.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn start() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    }

    fn count(&self, message: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|it| it.contains(message)).count()
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// Checks that the watch polls while `limit` holds, logs that once, and receives events again after
/// `lift`.
async fn polls_until_the_limit_is_gone<T>(limit: impl FnOnce() -> T, lift: impl FnOnce(T)) {
    let log = Log::start();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flags.toml");
    fs::write(&path, "0").unwrap();
    let limit = limit();
    let mut scene = Scene { dir, watch: Watch::new(path.clone(), MAX_LEN, fast()) };

    assert_eq!(scene.until("0").await, []);
    assert!(scene.watch.is_polling());
    for n in ["1", "2", "3"] {
        replace(&path, n);
        assert_eq!(scene.until(n).await, []);
    }
    assert!(scene.watch.is_polling());
    assert_eq!(log.count("no file events"), 1);

    lift(limit);
    while scene.watch.is_polling() {
        timeout(PATIENCE, scene.watch.next()).await.unwrap();
    }
    scene.watch.timing = events_only();
    scene.watch.tick = Instant::now() + scene.watch.timing.poll;
    for n in ["4", "5"] {
        replace(&path, n);
        assert_eq!(scene.until(n).await, []);
    }
    assert_eq!((log.count("no file events"), log.count("file events are back")), (1, 1));
}

#[tokio::test]
async fn out_of_file_descriptors() {
    if !inside("out_of_file_descriptors", r#"ulimit -n 40; exec "$@""#) {
        return;
    }
    let hoard = || {
        let mut files: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
        // Reading takes one descriptor, inotify three.
        files.truncate(files.len() - 2);
        files
    };

    polls_until_the_limit_is_gone(hoard, drop).await;
}

#[tokio::test]
async fn out_of_inotify_instances() {
    sysctl("out_of_inotify_instances", "/proc/sys/user/max_inotify_instances", "0").await;
}

#[tokio::test]
async fn out_of_inotify_watches() {
    sysctl("out_of_inotify_watches", "/proc/sys/user/max_inotify_watches", "1").await;
}

async fn sysctl(test: &str, file: &str, value: &str) {
    if env::var_os(INSIDE).is_none() && !containers_are_allowed() {
        return;
    }
    let start = format!(r#"exec {CONTAINER} 'echo {value} > {file}; exec "$@"' sh "$@""#);
    if inside(test, &start) {
        polls_until_the_limit_is_gone(|| {}, |()| fs::write(file, "1000").unwrap()).await;
    }
}

#[tokio::test]
async fn a_bind_mount_replaced_on_the_host_is_reported_once() {
    if env::var_os(INSIDE).is_none() && !containers_are_allowed() {
        return;
    }
    let start = format!(
        r#"dir=$(mktemp -d); trap 'rm -r "$dir"' EXIT; cd "$dir"; echo 0 > host.toml; echo > flags.toml
        {CONTAINER} 'mount --bind host.toml flags.toml; exec "$@"' sh "$@""#
    );
    if !inside("a_bind_mount_replaced_on_the_host_is_reported_once", &start) {
        return;
    }
    let log = Log::start();
    let mut watch = Watch::new(std::path::absolute("flags.toml").unwrap(), MAX_LEN, fast());
    watch.next().await;
    assert!(!watch.is_detached());

    replace(Path::new("host.toml"), "1");
    while !watch.is_detached() {
        timeout(PATIENCE, watch.next()).await.unwrap();
    }
    for _ in 0..3 {
        timeout(PATIENCE, watch.next()).await.unwrap();
    }

    assert_eq!(log.count("replaced outside of this bind mount"), 1);
}
