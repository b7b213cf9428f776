//! Real tools against a real watch. The poll is disabled except in tests of the poll, so every
//! observation comes from an event.

mod limits;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::read::MAX_LEN;

/// A bound for failures only.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time to wait for "and then nothing happens": long enough for a loop to show.
const A_WHILE: Duration = Duration::from_millis(400);

fn events_only() -> Timing {
    Timing { poll: Duration::from_secs(3600), ..Timing::default() }
}

/// A watch on a file of a fresh directory, whose first observation has been taken.
struct Scene {
    dir: TempDir,
    watch: Watch,
}

impl Scene {
    /// Runs `setup` in the directory and watches `path` below it.
    async fn new(path: &str, setup: &str) -> Self {
        Self::with(path, setup, events_only()).await
    }

    async fn with(path: &str, setup: &str, timing: Timing) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let watch = Watch::new(dir.path().join(path), MAX_LEN, timing);
        let mut scene = Self { dir, watch };
        scene.run(setup, "0");
        scene.change().await;
        scene
    }

    /// Runs a shell script in the directory, with the variable `N` set to `n`.
    fn run(&self, script: &str, n: &str) {
        self.command(script, n)
            .output()
            .map(|output| {
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{script}: {stderr}");
            })
            .unwrap();
    }

    fn command(&self, script: &str, n: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-euc", script])
            .env("N", n)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        // The commits of the git test, on a machine without an identity.
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "x")
                .env(format!("GIT_{who}_EMAIL"), "x@example.com");
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the next observation that is not a mere confirmation, shortened.
    async fn change(&mut self) -> Seen {
        loop {
            let seen = timeout(PATIENCE, self.watch.next()).await.expect("an observation in time");
            if !matches!(seen, Observation::Unchanged) {
                return seen.into();
            }
        }
    }

    /// Returns all observations before `content`.
    async fn until(&mut self, content: &str) -> Vec<Seen> {
        let mut before = Vec::new();
        loop {
            match self.change().await {
                Seen::Content(seen) if seen == content => return before,
                other => before.push(other),
            }
            assert!(before.len() < 100, "{content:?} never came: {before:?}");
        }
    }

    async fn nothing_happens(&mut self) {
        let reads = self.watch.reads;
        if let Ok(seen) = timeout(A_WHILE, self.watch.next()).await {
            panic!("{seen:?}");
        }
        // A loop would read every `Timing::quiet`. A late event may cause one more read.
        assert!(self.watch.reads <= reads + 1, "read again");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Content(String),
    Missing,
    Unreadable(io::ErrorKind),
    Unchanged,
}

impl From<Observation> for Seen {
    fn from(observation: Observation) -> Self {
        match observation {
            Observation::Content(bytes) => {
                Self::Content(String::from_utf8_lossy(&bytes).trim_end().to_owned())
            }
            Observation::Missing => Self::Missing,
            Observation::Unreadable(error) => Self::Unreadable(error.kind()),
            Observation::Unchanged => Self::Unchanged,
        }
    }
}

/// Edits three times, since a common fault is a watch that only sees the first edit. No other
/// observation may come.
async fn every_edit_is_seen(path: &str, setup: &str, edit: &str) {
    let mut scene = Scene::new(path, setup).await;
    for n in ["1", "2", "3"] {
        scene.run(edit, n);
        assert_eq!(scene.until(n).await, [], "before {n}");
    }
    scene.nothing_happens().await;
}

/// As `every_edit_is_seen`, for tools that remove the file before they put it back. On a busy
/// machine the gap is longer than the quiet time.
async fn every_edit_is_seen_after_a_gap(path: &str, setup: &str, edit: &str) {
    let mut scene = Scene::new(path, setup).await;
    for n in ["1", "2", "3"] {
        scene.run(edit, n);
        assert_gap(&scene.until(n).await);
    }
    scene.nothing_happens().await;
}

fn assert_gap(before: &[Seen]) {
    assert!(before.iter().all(|seen| *seen == Seen::Missing), "{before:?}");
}

const PLAIN: &str = "echo $N > flags.toml";

#[tokio::test]
async fn the_first_call_returns_the_current_state_at_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("flags.toml"), "0").unwrap();
    let slow = Timing { quiet: PATIENCE * 2, ..events_only() };

    let mut there = Watch::new(dir.path().join("flags.toml"), MAX_LEN, slow);
    let mut missing = Watch::new(dir.path().join("other.toml"), MAX_LEN, slow);
    let mut directory = Watch::new(dir.path().to_owned(), MAX_LEN, slow);

    let first = timeout(PATIENCE, async {
        [there.next().await, missing.next().await, directory.next().await]
    })
    .await;
    assert_eq!(
        first.unwrap().map(Seen::from),
        [
            Seen::Content("0".to_owned()),
            Seen::Missing,
            Seen::Unreadable(io::ErrorKind::IsADirectory)
        ]
    );
}

#[tokio::test]
async fn truncate_and_write() {
    every_edit_is_seen("flags.toml", PLAIN, PLAIN).await;
}

#[tokio::test]
async fn append() {
    let mut scene = Scene::new("flags.toml", "printf 0 > flags.toml").await;

    scene.run("printf 1 >> flags.toml", "");

    assert_eq!(scene.until("01").await, []);
}

#[tokio::test]
async fn write_and_rename() {
    every_edit_is_seen("flags.toml", PLAIN, "echo $N > .new; mv .new flags.toml").await;
}

#[tokio::test]
async fn sed_in_place() {
    every_edit_is_seen("flags.toml", PLAIN, r#"sed -i "s/.*/$N/" flags.toml"#).await;
}

#[tokio::test]
async fn install_over() {
    every_edit_is_seen_after_a_gap(
        "flags.toml",
        PLAIN,
        "echo $N > new; install -m 644 new flags.toml",
    )
    .await;
}

#[tokio::test]
async fn copy_over() {
    every_edit_is_seen("flags.toml", PLAIN, "echo $N > new; cp new flags.toml").await;
}

#[tokio::test]
async fn hard_link_written_elsewhere() {
    let setup = "echo 0 > flags.toml; mkdir other; ln flags.toml other/name.toml";
    every_edit_is_seen("flags.toml", setup, "echo $N > other/name.toml").await;
}

#[tokio::test]
async fn vim_by_rename() {
    vim("no").await;
}

#[tokio::test]
async fn vim_in_place() {
    vim("yes").await;
}

#[tokio::test]
async fn vim_by_default() {
    vim("auto").await;
}

async fn vim(backupcopy: &str) {
    if Command::new("vim").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: no vim");
        return;
    }
    let edit = format!(
        r#"vim -Nu NONE -i NONE -es -c "set backup writebackup backupcopy={backupcopy}" -c "%s/.*/$N/" -c wq flags.toml"#
    );
    match backupcopy {
        "yes" => every_edit_is_seen("flags.toml", PLAIN, &edit).await,
        _ => every_edit_is_seen_after_a_gap("flags.toml", PLAIN, &edit).await,
    }
}

#[tokio::test]
async fn git_checkout() {
    let setup = "git init -q -b start
        echo 0 > flags.toml; git add .; git commit -qm 0
        for n in 1 2 3; do git checkout -qb b$n start; echo $n > flags.toml; git commit -qam $n; done
        git checkout -q start";
    let mut scene = Scene::new("flags.toml", setup).await;

    for n in ["1", "2", "3", "1"] {
        scene.run("git checkout -q b$N", n);

        assert_gap(&scene.until(n).await);
    }
    scene.nothing_happens().await;
}

#[tokio::test]
async fn symlink_to_another_file() {
    let setup = "for n in 0 1 2 3; do mkdir d$n; echo $n > d$n/f; done; ln -s d0/f flags.toml";
    let mut scene = Scene::new("flags.toml", setup).await;

    for n in ["1", "2", "3"] {
        scene.run("ln -sfn d$N/f flags.toml", n);

        assert_gap(&scene.until(n).await);
    }
    scene.run("echo written > d3/f; echo old > d2/f", "");
    assert_eq!(scene.until("written").await, []);
}

#[tokio::test]
async fn symlink_renamed_over_a_symlink() {
    let setup =
        "for n in 0 1 2 3; do mkdir -p r/v$n; echo $n > r/v$n/flags.toml; done; ln -s r/v0 current";
    every_edit_is_seen("current/flags.toml", setup, "ln -s r/v$N next; mv -T next current").await;
}

#[tokio::test]
async fn two_hops_and_an_absolute_target() {
    let setup = "mkdir a b c; echo 0 > c/f; ln -s $PWD/c/f b/f; ln -s ../b/f a/f";
    let mut scene = Scene::new("a/f", setup).await;

    scene.run("echo 1 > c/.f; mv c/.f c/f", "");
    assert_eq!(scene.until("1").await, []);
    scene.run("echo 2 > c/g; ln -s ../c/g b/.f; mv b/.f b/f", "");
    assert_eq!(scene.until("2").await, []);
    scene.run("echo 3 > c/g", "");
    assert_eq!(scene.until("3").await, []);
}

#[tokio::test]
async fn kubernetes_config_map() {
    let publish = "mkdir ..2026_$N; echo $N > ..2026_$N/flags.toml
        ln -s ..2026_$N ..data_tmp; old=$(readlink ..data || true); mv -T ..data_tmp ..data
        if [ -n \"$old\" ]; then rm -r \"$old\"; fi";
    let setup = format!("{publish}; ln -s ..data/flags.toml flags.toml");

    every_edit_is_seen("flags.toml", &setup, publish).await;
}

#[tokio::test]
async fn delete_and_recreate() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;

    for n in ["1", "2", "3"] {
        scene.run("rm flags.toml", "");
        assert_eq!(scene.change().await, Seen::Missing);
        scene.run(PLAIN, n);
        assert_eq!(scene.until(n).await, []);
    }
}

#[tokio::test]
async fn parent_replaced() {
    let edit = "mkdir next; echo $N > next/flags.toml; mv conf old; mv next conf; rm -r old";
    every_edit_is_seen_after_a_gap("conf/flags.toml", "mkdir conf; echo 0 > conf/flags.toml", edit)
        .await;
}

#[tokio::test]
async fn parent_removed_and_made_again() {
    let edit = "rm -r conf; mkdir conf; echo $N > conf/flags.toml";
    every_edit_is_seen_after_a_gap("conf/flags.toml", "mkdir conf; echo 0 > conf/flags.toml", edit)
        .await;
}

// notify drops the watch of a directory that is moved, and (path, device, inode) are as before.
#[tokio::test]
async fn parent_moved_away_and_back() {
    let mut scene = Scene::new("conf/flags.toml", "mkdir conf; echo 0 > conf/flags.toml").await;

    for n in ["1", "2"] {
        scene.run("mv conf away; mv away conf", "");
        assert!(timeout(A_WHILE, scene.watch.next()).await.is_err());
        scene.run("echo $N > conf/flags.toml", n);
        assert_eq!(scene.until(n).await, []);
    }
}

#[tokio::test]
async fn parents_missing_at_first() {
    let mut scene = Scene::new("a/b/c/flags.toml", "true").await;

    scene.run("mkdir a", "");
    assert!(timeout(A_WHILE, scene.watch.next()).await.is_err());
    scene.run("mkdir -p a/b/c; echo $N > a/b/c/flags.toml", "1");
    assert_eq!(scene.until("1").await, []);
    scene.run("echo $N > a/b/c/flags.toml", "2");
    assert_eq!(scene.until("2").await, []);
}

#[tokio::test]
async fn a_slow_writer_is_waited_for() {
    let mut scene = Scene::new("flags.toml", "echo 0 > flags.toml").await;
    let script =
        "exec > flags.toml; for n in 1 2 3; do sleep 0.12; echo $n; done; sleep 0.2; echo end";

    let mut writer = scene.command(script, "").spawn().unwrap();

    assert_eq!(scene.change().await, Seen::Content("1\n2\n3\nend".to_owned()));
    writer.wait().unwrap();
}

#[tokio::test]
async fn a_file_that_is_empty_for_a_while_is_not_seen_empty() {
    let mut scene = Scene::new("flags.toml", "echo 0 > flags.toml").await;

    let mut writer = scene.command("exec > flags.toml; sleep 0.3; echo 1", "").spawn().unwrap();

    assert_eq!(scene.change().await, Seen::Content("1".to_owned()));
    writer.wait().unwrap();
}

#[tokio::test]
async fn a_file_that_is_created_before_it_is_written_is_not_seen_empty() {
    // A busy machine may run the second step late, and an empty file is believed after a few quiet times.
    let slow = Timing { quiet: Duration::from_secs(1), ceiling: PATIENCE, ..events_only() };
    let mut scene = Scene::with("flags.toml", "true", slow).await;

    let mut writer =
        scene.command(": > flags.toml; sleep 0.1; echo 1 > flags.toml", "").spawn().unwrap();

    assert_eq!(scene.change().await, Seen::Content("1".to_owned()));
    writer.wait().unwrap();
}

#[tokio::test]
async fn a_file_that_stays_empty_is_seen_empty() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;

    scene.run(": > flags.toml", "");

    assert_eq!(scene.change().await, Seen::Content(String::new()));
}

#[tokio::test]
async fn a_file_whose_size_is_not_its_length_is_read_all_the_same() {
    let mut watch = Watch::new("/proc/self/limits".into(), MAX_LEN, events_only());

    let seen = timeout(PATIENCE, watch.next()).await.unwrap();

    assert!(matches!(seen, Observation::Content(bytes) if !bytes.is_empty()));
}

#[tokio::test]
async fn a_writer_that_never_closes_is_not_waited_for_longer_than_the_ceiling() {
    let mut scene = Scene::new("flags.toml", "echo 0 > flags.toml").await;
    let mut writer = fs::File::options().append(true).open(scene.path("flags.toml")).unwrap();

    for (n, text) in [("1\n", "0\n1"), ("2\n", "0\n1\n2")] {
        let before = Instant::now();
        io::Write::write_all(&mut writer, n.as_bytes()).unwrap();

        assert_eq!(scene.change().await, Seen::Content(text.to_owned()));
        // The writer was waited for, too.
        assert!(before.elapsed() >= Timing::default().ceiling);
    }
    // The open file does not delay another way of saving.
    scene.run("echo 3 > .new; mv .new flags.toml", "");
    assert_eq!(scene.change().await, Seen::Content("3".to_owned()));
    drop(writer);
}

#[tokio::test]
async fn a_file_that_is_written_all_the_time_is_read_all_the_same() {
    let mut scene = Scene::new("flags.toml", "echo 0 > flags.toml").await;
    // The same content each time and never empty, so that no reading is torn.
    let script = "while [ ! -e stop ]; do printf '1\n' 1<> flags.toml; done";
    let mut writer = scene.command(script, "").spawn().unwrap();

    scene.until("1").await;

    scene.run("touch stop", "");
    writer.wait().unwrap();
}

#[tokio::test]
async fn busy_neighbours_of_names_on_the_way_do_not_hold_an_edit_up() {
    let setup = "mkdir app; echo 0 > app/flags.toml; echo > app/app; echo > flags.toml";
    let mut scene = Scene::new("app/flags.toml", setup).await;
    // Both have names of the path, and stay open.
    let busy = "exec 3> app/app 4> flags.toml; while [ ! -e stop ]; do echo >&3; echo >&4; done";
    // Only quiet ends the wait now, and the neighbours are never quiet.
    scene.watch.timing.ceiling = Duration::from_secs(3600);
    let mut neighbour = scene.command(busy, "").spawn().unwrap();

    for n in ["1", "2"] {
        scene.run("echo $N > app/flags.toml", n);
        assert_eq!(scene.until(n).await, []);
    }
    scene.nothing_happens().await;

    scene.run("touch stop", "");
    neighbour.wait().unwrap();
}

/// A program that maps the file into its memory, and writes its input through the mapping.
const MAPPED: &str = "
import mmap, sys
with open('flags.toml', 'r+b') as file:
    memory = mmap.mmap(file.fileno(), 1)
for line in sys.stdin:
    memory[0:1] = line.strip().encode()
    print('written', flush=True)
";

#[tokio::test]
async fn writes_through_one_mapping_are_seen_by_the_reading_that_needs_no_sign() {
    use std::io::{BufRead, BufReader, Write};

    let timing = Timing { reread: Duration::from_millis(20), ..events_only() };
    let mut scene = Scene::with("flags.toml", "printf 0 > flags.toml", timing).await;
    let mut python = Command::new("python3");
    python.args(["-c", MAPPED]).current_dir(scene.dir.path());
    let Ok(mut mapped) = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("skipped: no python3");
        return;
    };
    let (mut input, output) = (mapped.stdin.take().unwrap(), mapped.stdout.take().unwrap());
    let mut output = BufReader::new(output);

    for n in ["1", "2", "3"] {
        writeln!(input, "{n}").unwrap();
        output.read_line(&mut String::new()).unwrap();

        assert_eq!(scene.change().await, Seen::Content(n.to_owned()));
    }

    drop(input);
    mapped.wait().unwrap();
}

#[tokio::test]
async fn a_fifo_in_the_place_of_the_file_holds_nothing_up() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;

    for n in ["1", "2", "3"] {
        scene.run("mkfifo .fifo; mv .fifo flags.toml", "");
        assert_eq!(scene.change().await, Seen::Unreadable(io::ErrorKind::InvalidInput));
        scene.run("echo $N > .new; mv .new flags.toml", n);
        assert_eq!(scene.until(n).await, []);
    }
}

#[tokio::test]
async fn fifos_and_files_that_take_turns_leave_nothing_stuck() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;
    let swap = "for n in $(seq 200); do
        mkfifo .fifo; mv .fifo flags.toml; echo $n > .new; mv .new flags.toml
    done; echo end > .new; mv .new flags.toml";
    let mut swapper = scene.command(swap, "").spawn().unwrap();

    scene.until("end").await;

    assert!(swapper.wait().unwrap().success());
}

#[tokio::test]
async fn a_file_that_grows_beyond_the_limit_is_unreadable_until_it_is_small_again() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;

    scene.run("truncate -s 17M .new; mv .new flags.toml", "");
    assert_eq!(scene.change().await, Seen::Unreadable(io::ErrorKind::FileTooLarge));
    scene.run("echo 1 > .new; mv .new flags.toml", "");
    assert_eq!(scene.until("1").await, []);
}

#[tokio::test]
async fn a_thousand_edits_end_with_the_last_and_no_torn_one() {
    type Write = fn(&std::path::Path, &str);
    let styles: [(&str, Write); 3] = [
        ("in place", |path, text| fs::write(path, text).unwrap()),
        ("rename", |path, text| {
            let new = path.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, path).unwrap();
        }),
        ("delete and create", |path, text| {
            fs::remove_file(path).unwrap();
            fs::write(path, text).unwrap();
        }),
    ];
    let text = |n: u32| format!("{n}\n{}{n}", "x\n".repeat(10_000));

    for (style, write) in styles {
        let mut scene = Scene::new("flags.toml", "echo 0 > flags.toml").await;
        let path = scene.path("flags.toml");
        let writer =
            tokio::task::spawn_blocking(move || (1..=1000).for_each(|n| write(&path, &text(n))));

        let before = scene.until(&text(1000)).await;

        writer.await.unwrap();
        for seen in &before {
            let whole = match seen {
                // The file may be empty between two steps, for as long as a busy machine takes.
                Seen::Content(seen) if seen.is_empty() => style != "rename",
                Seen::Content(seen) => {
                    let n = seen.split('\n').next().unwrap().parse().unwrap();
                    *seen == text(n)
                }
                // Only if the style really removes the file in between.
                Seen::Missing => style == "delete and create",
                Seen::Unreadable(_) | Seen::Unchanged => false,
            };
            assert!(whole, "{style}: torn");
        }
        scene.nothing_happens().await;
    }
}

#[tokio::test]
async fn one_edit_is_read_once() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;
    scene.nothing_happens().await;

    fs::write(scene.path(".new"), "1").unwrap();
    fs::rename(scene.path(".new"), scene.path("flags.toml")).unwrap();
    scene.until("1").await;
    scene.nothing_happens().await;

    assert_eq!(scene.watch.reads, 2);
}

#[tokio::test]
async fn a_file_that_was_replaced_is_no_longer_watched() {
    let setup = "echo 0 > flags.toml; ln flags.toml backup";
    let mut scene = Scene::new("flags.toml", setup).await;
    fs::write(scene.path(".new"), "1").unwrap();
    fs::rename(scene.path(".new"), scene.path("flags.toml")).unwrap();
    scene.until("1").await;
    let reads = scene.watch.reads;

    fs::write(scene.path("backup"), "old").unwrap();

    scene.nothing_happens().await;
    assert_eq!(scene.watch.reads, reads);
}

#[tokio::test]
async fn the_same_content_again_is_not_reported() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;

    scene.run("echo 0 > flags.toml; touch flags.toml", "");

    assert!(timeout(A_WHILE, scene.watch.next()).await.is_err());
    assert!(scene.watch.reads >= 2);
}

#[tokio::test]
async fn a_busy_neighbour_neither_delays_nor_reads() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;
    let log = "exec > app.log; while [ ! -e stop ]; do echo x; sleep 0.01; : > other; mv other other2; done";
    // Only quiet ends the wait now, and the neighbour is never quiet.
    scene.watch.timing.ceiling = Duration::from_secs(3600);
    let mut neighbour = scene.command(log, "").spawn().unwrap();

    scene.nothing_happens().await;
    scene.run("echo 1 > flags.toml", "");
    scene.until("1").await;

    scene.run("touch stop", "");
    neighbour.wait().unwrap();
}

#[tokio::test]
async fn a_file_without_permission_is_unreadable_until_it_has_it() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;
    scene.run("chmod 000 flags.toml", "");
    if fs::read(scene.path("flags.toml")).is_ok() {
        eprintln!("skipped: root reads everything");
        return;
    }

    assert_eq!(scene.change().await, Seen::Unreadable(io::ErrorKind::PermissionDenied));
    scene.run("chmod 644 flags.toml", "");
    assert_eq!(scene.until("0").await, []);
}

#[tokio::test]
async fn a_dropped_future_loses_no_change() {
    let mut scene = Scene::new("flags.toml", PLAIN).await;

    for n in ["1", "2", "3"] {
        scene.run("echo $N > .new; mv .new flags.toml", n);
        let patient = async {
            loop {
                if let Ok(seen) = timeout(Duration::from_micros(300), scene.watch.next()).await {
                    return Seen::from(seen);
                }
            }
        };
        assert_eq!(timeout(PATIENCE, patient).await.unwrap(), Seen::Content(n.to_owned()));
    }
}

#[tokio::test]
async fn dropping_the_watch_ends_the_event_thread() {
    let scene = Scene::new("flags.toml", PLAIN).await;
    let mut pulse = scene.watch.pulse.clone();

    drop(scene.watch);

    // The thread owns the last sender.
    let ended = timeout(PATIENCE, async { while pulse.changed().await.is_ok() {} });
    ended.await.unwrap();
}

#[tokio::test]
async fn the_poll_confirms_what_has_not_changed() {
    let timing = Timing { poll: Duration::from_millis(20), ..Timing::default() };
    let mut scene = Scene::with("flags.toml", PLAIN, timing).await;

    for _ in 0..3 {
        let seen = timeout(PATIENCE, scene.watch.next()).await.unwrap();
        assert!(matches!(seen, Observation::Unchanged), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_panics_again_and_again_is_tried_once_in_each_poll() {
    let timing = Timing::default();
    let mut watch = Watch::new(PathBuf::from("flags.toml"), 0, timing);
    let panic = || io::Error::other("it panicked");
    assert!(watch.start_over(panic()).is_some());

    for _ in 0..3 {
        tokio::time::advance(timing.poll).await;
        assert!(watch.start_over(panic()).is_none());
        assert_eq!(watch.tick, Instant::now() + timing.poll);
    }
}

#[tokio::test]
async fn a_change_without_an_event_is_found_by_the_poll() {
    let timing = Timing { poll: Duration::from_millis(20), ..Timing::default() };
    let mut scene = Scene::with("flags.toml", PLAIN, timing).await;
    // Events that no receiver reads stand for missing events.
    let (_silent, pulse) = tokio::sync::watch::channel(Pulse::default());
    scene.watch.pulse = pulse;

    for n in ["1", "2"] {
        scene.run("echo $N > .new; mv .new flags.toml", n);
        assert_eq!(scene.until(n).await, []);
    }
}

mod settling {
    use tokio::sync::watch::{Sender, channel};

    use super::*;

    async fn settled(pulse: &mut Receiver<Pulse>) -> Duration {
        let (start, timing) = (Instant::now(), Timing::default());
        let mut settle = Settle { quiet_until: start + timing.quiet, due: start + timing.ceiling };
        settle.wait(pulse, timing, 0).await;
        start.elapsed()
    }

    async fn pulses(
        sender: Sender<Pulse>,
        times: u32,
        gap: Duration,
        change: fn(&mut Pulse),
    ) -> Sender<Pulse> {
        for _ in 0..times {
            tokio::time::sleep(gap).await;
            sender.send_modify(change);
        }
        sender
    }

    #[tokio::test(start_paused = true)]
    async fn each_event_starts_the_quiet_time_again() {
        let (sender, mut pulse) = channel(Pulse::default());
        let _sender = tokio::spawn(pulses(sender, 3, Duration::from_millis(40), |pulse| {
            pulse.moves += 1;
        }));

        assert_eq!(settled(&mut pulse).await.as_millis(), 3 * 40 + 50);
    }

    #[tokio::test(start_paused = true)]
    async fn endless_events_are_cut_at_the_ceiling() {
        let (sender, mut pulse) = channel(Pulse::default());
        let _sender = tokio::spawn(pulses(sender, u32::MAX, Duration::from_millis(7), |pulse| {
            pulse.moves += 1;
        }));

        assert_eq!(settled(&mut pulse).await.as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_writer_is_cut_at_the_ceiling() {
        let (sender, mut pulse) = channel(Pulse::default());
        sender.send_modify(|pulse| pulse.writes += 1);

        assert_eq!(settled(&mut pulse).await.as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_time_starts_when_the_writer_has_closed() {
        let (sender, mut pulse) = channel(Pulse::default());
        sender.send_modify(|pulse| pulse.writes += 1);
        let close = |pulse: &mut Pulse| pulse.closed = pulse.writes;
        let _sender = tokio::spawn(pulses(sender, 1, Duration::from_millis(600), close));

        assert_eq!(settled(&mut pulse).await.as_millis(), 650);
    }
}
