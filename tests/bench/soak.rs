//! Attacks on a file and a Redis while threads evaluate: `tests/soak`.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::fs::symlink,
    panic,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use flagstaff::{Context, File, Flags, Memory, Redis, source::OnLostStore};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use server::{Server, cli};

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../it/redis/server.rs"]
mod server;

mod support {
    //! The bound that `server` needs.

    /// The time after which a recovery counts as failed.
    pub(crate) const BOUND: std::time::Duration = std::time::Duration::from_secs(60);
}

use support::BOUND;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The panics of the log's subscriber, which are an attack.
const PLANNED: &str = "a subscriber of the log panics";

/// Two flags that have equal values in every version of the file.
const PAIR: [&str; 2] = ["left", "right"];

fn main() -> ExitCode {
    match tokio::runtime::Runtime::new().map_err(Into::into).and_then(|it| it.block_on(run())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    let (length, seed) = arguments()?;
    let panics = Arc::new(AtomicUsize::new(0));
    count_panics(&panics);
    tracing::subscriber::set_global_default(tracing_subscriber::layer::SubscriberExt::with(
        tracing_subscriber::registry(),
        Subscriber,
    ))?;

    let mut world = World::start(seed).await?;
    let asking = Asking::start(&world, 2);
    // The connection of a writer is made at the first change.
    world.flags.enable("in_force").await?;
    let before = Process::now();
    println!("seed {seed}, for {length:?}");

    let end = Instant::now() + length;
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    let mut failed = false;
    while Instant::now() < end && !failed {
        // Every attack runs once before one runs again.
        for index in world.chance.shuffled(ATTACKS.len()) {
            let (name, attack) = &ATTACKS[index];
            let tries = attack(&mut world)?;
            let start = Instant::now();
            failed = !world.recovers().await?;
            let row = rows.entry(index).or_default();
            row.rounds += 1;
            row.tries += tries;
            row.recovered.push(start.elapsed());
            if failed {
                println!(
                    "after `{name}` no change came into force within {BOUND:?}: {:#?}",
                    world.flags.health()
                );
            }
            if failed || Instant::now() >= end {
                break;
            }
        }
    }

    let asked = asking.stop();
    let _ = world.flags.enable("in_force").await;
    let after = Process::now();
    table(&mut rows, &asked, panics.load(Relaxed), [&before, &after]);
    Ok(!failed && asked.wrong.is_empty() && panics.load(Relaxed) == 0)
}

fn arguments() -> Result<(Duration, u64)> {
    let (mut length, mut seed) = (Duration::from_secs(600), rand_seed());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("`{argument}` needs a value"));
        match &*argument {
            "--for" => {
                let value = value()?;
                let unit = [("s", 1), ("m", 60), ("h", 3600)];
                let parsed = unit.iter().find_map(|(unit, seconds)| {
                    Some(value.strip_suffix(unit)?.parse::<u64>().ok()? * seconds)
                });
                let seconds =
                    parsed.ok_or(format!("`{value}` is not a time such as 30s or 10m"))?;
                length = Duration::from_secs(seconds);
            }
            "--seed" => seed = value()?.parse()?,
            // From cargo.
            "--bench" | "--quiet" => {}
            other => return Err(format!("unknown argument `{other}`").into()),
        }
    }
    Ok((length, seed))
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) % 1_000_000
}

/// Counts panics that no attack makes, and prints them.
fn count_panics(panics: &Arc<AtomicUsize>) {
    let (panics, print) = (Arc::clone(panics), panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&PLANNED) {
            panics.fetch_add(1, Relaxed);
            print(info);
        }
    }));
}

/// True while the log panics.
static LOG_PANICS: AtomicBool = AtomicBool::new(false);

struct Subscriber;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Subscriber {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if LOG_PANICS.load(Relaxed) {
            panic::panic_any(PLANNED);
        }
    }
}

/// Reproducible choices (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn of(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            all.swap(last, self.below(last + 1));
        }
        all
    }
}

/// The numbers that were written last. Each number is larger than the one before.
#[derive(Default)]
struct Written {
    file: AtomicI64,
    redis: AtomicI64,
}

struct World {
    flags: Flags,
    server: Server,
    wire: Wire,
    path: PathBuf,
    written: Arc<Written>,
    chance: Chance,
    _directory: TempDir,
}

impl World {
    async fn start(seed: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("flags.toml");
        let server = Server::start();
        let wire = Wire::to(server.port(), seed);
        let written = Arc::new(Written::default());
        fs::write(&path, file(0, ""))?;
        store(server.port(), 0);
        // With the default of one second, most of the run would wait for faults to be noticed.
        let redis = Redis::open(&wire.url())?.response_timeout(Duration::from_millis(500));
        let redis = redis.on_lost_store(OnLostStore::Hold).max_fields(200);
        let below = Memory::new().with("in_force", false);
        let flags = Flags::builder().source(redis).source(File::open(&path)?).source(below);
        let flags = flags.max_wait(BOUND).require_ready().start().await?;
        let chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Ok(Self { flags, server, wire, path, written, chance, _directory: directory })
    }

    /// Returns a version of the file with the next number.
    fn next_file(&mut self, more: &str) -> String {
        let number = self.written.file.load(Relaxed) + 1;
        let content = file(number, more);
        self.written.file.store(number, Relaxed);
        content
    }

    /// Ends the attack, and waits until a change of the file and one of the store are in force.
    async fn recovers(&mut self) -> Result<bool> {
        LOG_PANICS.store(false, Relaxed);
        self.wire.set(Mode::Pass);
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir(&self.path)?,
            Ok(_) => fs::remove_file(&self.path)?,
            Err(_) => {}
        }
        let content = self.next_file("");
        fs::write(&self.path, content)?;
        let number = self.written.redis.load(Relaxed) + 1;
        self.written.redis.store(number, Relaxed);
        store(self.server.port(), number);

        let wanted = (self.written.file.load(Relaxed), number);
        let nobody = Context::anonymous();
        let numbers = || {
            let number = |key: &str| self.flags.integer(key, &nobody, -1).value;
            (number("left"), number("stored"))
        };
        let in_force = async {
            while numbers() != wanted || !self.flags.health().is_ready() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        Ok(timeout(BOUND, in_force).await.is_ok())
    }
}

/// Returns a version of the file that has one number twice.
fn file(number: i64, more: &str) -> String {
    let [left, right] = PAIR;
    let constant =
        |number| format!("{{ variants = {{ it = {{ weight = 1, value = {number} }} }} }}");
    let (none, number) = (constant(-1), constant(number));
    format!(
        "[flags]\nstored = {none}\n{left} = {number}\n{right} = {number}\n\
         kept = false\n[flags.vault]\ndenied_users = [\"mallory\"]\n{more}\n"
    )
}

/// Stores this number, and the override that is always there, in one step.
fn store(port: u16, number: i64) {
    let number = format!("{{\"variants\": {{\"it\": {{\"weight\": 1, \"value\": {number}}}}}}}");
    let script = "redis.call('DEL', KEYS[1]) \
                  redis.call('HSET', KEYS[1], 'kept', '1', 'vault', '1', 'stored', ARGV[1])";
    cli(port, &["EVAL", script, "1", "feature_flags", &number]);
}

/// An attack, which returns the number of faults that it made.
type Attack = fn(&mut World) -> Result<usize>;

const ATTACKS: &[(&str, Attack)] = &[
    ("100 edits of the file in place, without a pause", |world| {
        for _ in 0..100 {
            let content = world.next_file("");
            fs::write(&world.path, content)?;
        }
        Ok(100)
    }),
    ("100 replacements of the file by rename", |world| {
        let beside = world.path.with_extension("new");
        for _ in 0..100 {
            let content = world.next_file("");
            fs::write(&beside, content)?;
            fs::rename(&beside, &world.path)?;
        }
        Ok(100)
    }),
    ("50 swaps of a symlink to the file", |world| {
        let folder = world.path.parent().map(Path::to_owned).ok_or("no folder")?;
        for n in 0..50 {
            let target = folder.join(format!("version-{}.toml", n % 2));
            let content = world.next_file("");
            let _ = fs::remove_file(&target);
            fs::write(&target, content)?;
            let link = folder.join("link");
            symlink(&target, &link)?;
            fs::rename(&link, &world.path)?;
        }
        Ok(50)
    }),
    ("a file that is written in two halves", |world| {
        let names: String =
            (0..20).map(|n| format!("[flags.half_{n}]\nowner = \"web\"\n")).collect();
        let content = world.next_file(&names);
        for _ in 0..5 {
            let half = content.len() - 20 - world.chance.below(300);
            let mut file = fs::File::create(&world.path)?;
            file.write_all(&content.as_bytes()[..half])?;
            thread::sleep(Duration::from_millis(80));
            file.write_all(&content.as_bytes()[half..])?;
        }
        Ok(5)
    }),
    ("a file that is gone, and a directory in its place", |world| {
        for _ in 0..5 {
            fs::remove_file(&world.path)?;
            fs::create_dir(&world.path)?;
            thread::sleep(Duration::from_millis(20));
            fs::remove_dir(&world.path)?;
            thread::sleep(Duration::from_millis(20));
            let content = world.next_file("");
            fs::write(&world.path, content)?;
        }
        Ok(5)
    }),
    ("a FIFO, and links to /dev/zero and /dev/random, in the place of the file", |world| {
        let beside = world.path.with_extension("new");
        for n in 0..9 {
            match n % 3 {
                0 if !Command::new("mkfifo").arg(&beside).status()?.success() => {
                    return Err("there is no FIFO".into());
                }
                0 => {}
                1 => symlink("/dev/zero", &beside)?,
                _ => symlink("/dev/random", &beside)?,
            }
            fs::rename(&beside, &world.path)?;
            thread::sleep(Duration::from_millis(70));
            // Not in place, since a writer of a FIFO waits for a reader.
            let content = world.next_file("");
            fs::write(&beside, content)?;
            fs::rename(&beside, &world.path)?;
            thread::sleep(Duration::from_millis(70));
        }
        Ok(9)
    }),
    ("garbage in the file: no text, no TOML, nothing", |world| {
        for _ in 0..10 {
            let garbage = match world.chance.below(5) {
                0 => world.chance.bytes(4_096),
                1 => Vec::new(),
                2 => b"flags = ".repeat(100),
                3 => "[".repeat(20_000).into_bytes(),
                _ => b"[segments]\n".to_vec(),
            };
            fs::write(&world.path, garbage)?;
            thread::sleep(Duration::from_millis(70));
        }
        Ok(10)
    }),
    ("hostile text in the file", |world| {
        for _ in 0..5 {
            let text = hostile(&mut world.chance);
            let quoted = serde_json::to_string(&text)?;
            let content = world.next_file(&format!(
                "percentage = 400\n[flags.{quoted}]\ndescription = {quoted}\nowner = {quoted}\nallowed_users = [{quoted}]"
            ));
            fs::write(&world.path, content)?;
            thread::sleep(Duration::from_millis(70));
            // Printing flags and health must not panic on it.
            let _ = (world.flags.all(&Context::user(&*text)), world.flags.health());
            world.flags.explain(&*text, &Context::user(&*text)).to_string();
        }
        Ok(5)
    }),
    ("20 connections to Redis cut", |world| {
        for _ in 0..20 {
            world.wire.cut();
            thread::sleep(Duration::from_millis(20));
        }
        Ok(20)
    }),
    ("a network that loses everything for a second", |world| {
        world.wire.set(Mode::Hang);
        thread::sleep(Duration::from_secs(1));
        Ok(1)
    }),
    ("malformed RESP on 30 connections", |world| {
        for _ in 0..30 {
            // Some replies are passed on first, so that each step of a session is attacked at times.
            let replies = world.chance.below(8);
            world.wire.set(Mode::Garble { replies });
            world.wire.cut();
            thread::sleep(Duration::from_millis(60));
        }
        Ok(30)
    }),
    ("a server that is killed and comes back empty", |world| {
        world.server.kill();
        thread::sleep(Duration::from_millis(200));
        world.server.restart();
        thread::sleep(Duration::from_millis(200));
        Ok(1)
    }),
    ("a server that hangs for a second", |world| {
        world.server.stop();
        thread::sleep(Duration::from_secs(1));
        world.server.resume();
        Ok(1)
    }),
    ("garbage in the store, also in the override of a flag", |world| {
        let port = world.server.port();
        for _ in 0..10 {
            let text = match world.chance.below(5) {
                0 => "{\"percentage\": 400}".to_owned(),
                1 => "{".repeat(10_000),
                2 => "{\"percentage\": 100, \"denied_users\": \"mallory\"}".to_owned(),
                3 => "x".repeat(100_000),
                _ => hostile(&mut world.chance),
            };
            let text = text.replace('\0', "");
            let name = hostile(&mut world.chance).replace('\0', "");
            cli(port, &["HSET", "feature_flags", "vault", &text, &name, &text]);
            thread::sleep(Duration::from_millis(20));
        }
        Ok(20)
    }),
    ("another type at the key, and too many fields", |world| {
        let port = world.server.port();
        cli(port, &["SET", "feature_flags", "x"]);
        thread::sleep(Duration::from_millis(50));
        store(port, world.written.redis.load(Relaxed));
        let script = "for n = 1, 300 do redis.call('HSET', KEYS[1], n, '1') end";
        cli(port, &["EVAL", script, "1", "feature_flags"]);
        thread::sleep(Duration::from_millis(50));
        Ok(2)
    }),
    ("changes by the library while connections are cut", |world| {
        let (flags, wire) = (&world.flags, &world.wire);
        let changes = async {
            for n in 0..20 {
                if n % 5 == 4 {
                    wire.cut();
                }
                let on = n % 2 == 0;
                let written = if on { flags.enable("in_force") } else { flags.disable("in_force") };
                if written.await.is_ok()
                    && flags.is_enabled("in_force", &Context::anonymous()) != on
                {
                    OUT_OF_FORCE.fetch_add(1, Relaxed);
                }
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(changes));
        Ok(20)
    }),
    ("a subscriber of the log that panics, with faults of both sources", |world| {
        LOG_PANICS.store(true, Relaxed);
        fs::write(&world.path, "[flags")?;
        world.wire.cut();
        thread::sleep(Duration::from_millis(200));
        let content = world.next_file("unknown = 1");
        fs::write(&world.path, content)?;
        thread::sleep(Duration::from_millis(200));
        Ok(3)
    }),
];

/// The number of writes that returned `Ok` and were not in force.
static OUT_OF_FORCE: AtomicU64 = AtomicU64::new(0);

/// Returns a string with characters that are special to terminals, pages, shells, files or formats.
fn hostile(chance: &mut Chance) -> String {
    const PIECES: &[&str] = &[
        "\u{1b}]0;owned\u{7}",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{200b}",
        "\u{85}",
        "\r\n",
        "\0",
        "```\n",
        "<script>",
        "';--",
        "$(touch x)",
        "`touch x`",
        "=cmd|'/c calc'!A1",
        "cargo::rustc-link-arg=-x\n",
        "\\",
        "\"",
        "../..",
        "{{",
        "%s%n",
        "é",
        "\u{feff}",
        "\u{10ffff}",
    ];
    let mut text = String::from("flag");
    for _ in 0..=chance.below(6) {
        let _ = text.write_str(chance.of(PIECES));
    }
    text
}

/// Returns bytes that are not RESP, or are not an answer to the command.
fn malformed(chance: &mut Chance) -> Vec<u8> {
    const LINES: &[&str] = &[
        "_\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "$-7\r\n",
        "$99999999999999\r\nx",
        "*99999999\r\n",
        "*-5\r\n",
        "%1\r\n+a\r\n",
        ":none\r\n",
        "#x\r\n",
        "(9x\r\n",
        "~3\r\n:1\r\n",
        ">2\r\n+invalidate\r\n",
        ">0\r\n",
        "!9\r\nshort\r\n",
        "=3\r\nabc\r\n",
        ",inf\r\n,nan\r\n",
        "|1\r\n",
        "+OK",
        "\r\n",
        "-",
        "-MOVED x y\r\n",
        "-MOVED 99999 :::\r\n",
        "-ASK\r\n",
        "-LOADING\r\n",
        "-NOAUTH\r\n",
        ":1\r\n:2\r\n:3\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
    ];
    match chance.below(4) {
        0 => chance.bytes(2_000),
        1 => "*1\r\n".repeat(5_000).into_bytes(),
        _ => {
            let lines = (0..=chance.below(5)).map(|_| chance.of(LINES));
            lines.collect::<String>().into_bytes()
        }
    }
}

/// The fault of a wire.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Pass,
    /// Nothing arrives.
    Hang,
    /// Malformed bytes replace all but the first answers of a connection.
    Garble {
        replies: usize,
    },
}

/// A proxy to a server that can inject faults.
struct Wire {
    port: u16,
    state: Arc<Mutex<(Mode, Vec<Weak<Ends>>)>>,
}

/// The client and the server of a connection, which is closed when both directions have ended.
type Ends = [TcpStream; 2];

impl Wire {
    fn to(server: u16, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(Mutex::new((Mode::Pass, Vec::<Weak<Ends>>::new())));
        let ours = Arc::clone(&state);
        thread::spawn(move || {
            for (client, seed) in listener.incoming().flatten().zip(seed..) {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                let ends = Arc::new([client, server]);
                let mut state = ours.lock().expect("it does not panic");
                state.1.retain(|ends| ends.strong_count() > 0);
                state.1.push(Arc::downgrade(&ends));
                drop(state);
                for answers in [false, true] {
                    let (ends, ours) = (Arc::clone(&ends), Arc::clone(&ours));
                    thread::spawn(move || pass(&ends, answers, Chance(seed | 1), &ours));
                }
            }
        });
        Self { port, state }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    fn set(&self, mode: Mode) {
        self.state.lock().expect("it does not panic").0 = mode;
    }

    fn cut(&self) {
        let open = self.state.lock().expect("it does not panic").1.split_off(0);
        for ends in open.iter().filter_map(Weak::upgrade) {
            for end in &*ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }
}

fn pass(ends: &Ends, answers: bool, mut chance: Chance, state: &Mutex<(Mode, Vec<Weak<Ends>>)>) {
    let [mut from, mut to] = match answers {
        true => [&ends[1], &ends[0]],
        false => [&ends[0], &ends[1]],
    };
    let (mut bytes, mut passed) = (vec![0; 64 * 1024], 0);
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let mode = state.lock().expect("it does not panic").0;
        let sent = match mode {
            // The bytes are lost: the client has to give up the connection.
            Mode::Hang => continue,
            Mode::Garble { replies } if answers && passed >= replies => {
                let _ = to.write_all(&malformed(&mut chance));
                break;
            }
            Mode::Pass | Mode::Garble { .. } => to.write_all(&bytes[..count]),
        };
        passed += 1;
        if sent.is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// Threads that evaluate all the time, and compare the answers with the invariants.
struct Asking {
    enough: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<Asked>>,
}

#[derive(Default)]
struct Asked {
    evaluations: u64,
    /// The first wrong answers of each kind.
    wrong: BTreeMap<&'static str, (u64, String)>,
}

impl Asking {
    fn start(world: &World, threads: usize) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let (enough, flags, written) =
                (Arc::clone(&enough), world.flags.clone(), Arc::clone(&world.written));
            thread::spawn(move || {
                let mut asked = Asked::default();
                let mut last = (0, 0);
                while !enough.load(Relaxed) {
                    for _ in 0..1_000 {
                        asked.round(&flags, &written, &mut last);
                    }
                    // Leaves processor time to the attacks.
                    thread::sleep(Duration::from_millis(2));
                }
                asked
            })
        };
        Self { threads: (0..threads).map(start).collect(), enough }
    }

    fn stop(self) -> Asked {
        self.enough.store(true, Relaxed);
        let mut all = Asked::default();
        for thread in self.threads {
            match thread.join() {
                Ok(asked) => {
                    all.evaluations += asked.evaluations;
                    for (kind, (times, first)) in asked.wrong {
                        all.wrong.entry(kind).or_insert((0, first)).0 += times;
                    }
                }
                Err(_) => _ = all.wrong.insert("an evaluation panicked", (1, String::new())),
            }
        }
        let out = OUT_OF_FORCE.load(Relaxed);
        if out > 0 {
            all.wrong.insert("a change returned and was not in force", (out, String::new()));
        }
        all
    }
}

impl Asked {
    /// Evaluates seven flags in one snapshot.
    fn round(&mut self, flags: &Flags, written: &Written, last: &mut (i64, i64)) {
        let (mallory, ana) = (Context::user("mallory"), Context::user("ana"));
        let snapshot = flags.snapshot();
        let number = |key: &str| snapshot.integer(key, &ana, -1).value;
        let (left, right) = (number(PAIR[0]), number(PAIR[1]));
        let stored = number("stored");
        // Read after the answers, so that these numbers are not smaller.
        let most = (written.file.load(Relaxed), written.redis.load(Relaxed));
        let denied = snapshot.is_enabled("vault", &mallory);
        let kept = snapshot.is_enabled("kept", &ana);
        let unknown = snapshot.boolean("unknown", &ana, true).value;
        let again = number(PAIR[0]);
        self.evaluations += 7;

        let mut has_to = |holds: bool, kind: &'static str, what: String| {
            if !holds {
                self.wrong.entry(kind).or_insert((0, what)).0 += 1;
            }
        };
        has_to(
            left == right && left == again,
            "one snapshot, two truths",
            format!("{left} {right} {again}"),
        );
        has_to(!denied, "a denied user is in", String::new());
        has_to(kept, "an override that stands is gone", String::new());
        has_to(unknown, "an unknown flag is not the default", String::new());
        let range = format!("{left} and {stored} after {last:?}, written {most:?}");
        has_to(left >= last.0 && stored >= last.1, "an older state came back", range.clone());
        has_to(left <= most.0 && stored <= most.1, "a value that was never written", range);
        *last = (left, stored);
    }
}

#[derive(Default)]
struct Row {
    rounds: usize,
    tries: usize,
    recovered: Vec<Duration>,
}

/// The resources of this process.
struct Process {
    memory: u64,
    /// The open files by their kinds.
    files: BTreeMap<String, usize>,
    threads: usize,
}

impl Process {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |key: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Self {
            memory: number("VmRSS:").unwrap_or_default() / 1024,
            files: Self::files(),
            threads: number("Threads:").unwrap_or_default() as usize,
        }
    }

    fn files() -> BTreeMap<String, usize> {
        let mut files = BTreeMap::new();
        for file in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
            let target = fs::read_link(file.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            // `socket:[42]` and `anon_inode:inotify`, or a path.
            let kind = match target.split_once(':') {
                Some(("anon_inode", kind)) => kind.trim_matches(['[', ']']),
                Some((kind, _)) if !kind.starts_with('/') => kind,
                _ => "file",
            };
            *files.entry(kind.to_owned()).or_default() += 1;
        }
        files
    }
}

fn table(rows: &mut BTreeMap<usize, Row>, asked: &Asked, panics: usize, process: [&Process; 2]) {
    println!("\n| attack | rounds | faults | a change was in force after: median | longest |");
    println!("|---|--:|--:|--:|--:|");
    let seconds = |time: &Duration| format!("{:.2} s", time.as_secs_f64());
    for (index, row) in rows {
        row.recovered.sort();
        let (median, longest) =
            (&row.recovered[row.recovered.len() / 2], &row.recovered[row.recovered.len() - 1]);
        let name = ATTACKS[*index].0;
        println!(
            "| {name} | {} | {} | {} | {} |",
            row.rounds,
            row.tries,
            seconds(median),
            seconds(longest)
        );
    }
    println!("\n{} evaluations, {panics} panics", asked.evaluations);
    match asked.wrong.is_empty() {
        true => println!("0 wrong answers"),
        false => println!("wrong answers: {:#?}", asked.wrong),
    }
    let [before, after] = process;
    println!(
        "memory {} MB before and {} MB after, threads {} and {}",
        before.memory, after.memory, before.threads, after.threads
    );
    println!("open files {:?} before and {:?} after", before.files, after.files);
}
