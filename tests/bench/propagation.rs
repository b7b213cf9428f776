//! The time from a change until it is in force in another instance. The first part changes by `HSET` of another client, and
//! has the time of a plain `GET` beside it. The second part changes by this crate among 10,000 overrides, and has the
//! processor time and the bytes of an instance beside it.
//!
//! ```console
//! $ cargo bench -p flagstaff-tests --bench propagation
//! ```
//!
//! It starts a redis-server of its own.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use flagstaff::{
    Flags, Redis,
    answer::FlagState,
    event::Event,
    source::WritableBackend,
    write::{Operation, Write},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::oneshot,
    time::{interval, sleep, timeout},
};

const WRITES: u32 = 3_000;
/// The number of flags beside the one that changes.
const OTHERS: u32 = 40;
/// The number of overrides in the large store.
const MANY: u32 = 10_000;
/// The number of changes of the large store, one every 10 milliseconds.
const CHANGES: u32 = 1_000;
/// The time after which a change counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let _server = Server::start(port)?;
    let mut client = Client::connect(port).await?;
    for n in 0..OTHERS {
        client.ask(&format!("HSET feature_flags flag_{n} 1")).await?;
    }

    let redis = Redis::open(&format!("redis://127.0.0.1:{port}/"))?;
    let flags = Flags::builder().source(redis).require_ready().start().await?;
    let mut flag = flags.watch("flag_0");
    let (mut visible, mut get) = (Vec::new(), Vec::new());
    for n in 0..WRITES {
        let on = n % 2 == 1;
        let expected = if on { FlagState::On } else { FlagState::Off };
        let start = Instant::now();
        client.ask(&format!("HSET feature_flags flag_0 {}", u8::from(on))).await?;
        let seen = timeout(PATIENCE, flag.wait_for(|&state| state == expected)).await;
        visible.push(start.elapsed());
        drop(seen.map_err(|_| format!("write {n} was not seen within {PATIENCE:?}"))??);

        let start = Instant::now();
        client.ask("GET nothing").await?;
        get.push(start.elapsed());
    }
    print("from HSET to in force", &mut visible);
    print("a plain GET", &mut get);
    drop(flags);
    among_many(port, &mut client).await
}

/// Changes flags of a large store, and measures an instance that follows it.
async fn among_many(port: u16, client: &mut Client) -> Result<(), Box<dyn Error>> {
    for n in 0..MANY {
        let by = r#""override":{"by":"ana@example.com","reason":"incident","at":"2026-11-21T09:00:00.000Z"}"#;
        client.ask(&format!(r#"HSET feature_flags flag_{n} '{{"percentage":25,{by}}}'"#)).await?;
    }
    let (ready, follows) = oneshot::channel();
    let (seen, sightings) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let instance = thread::spawn(move || follow(port, ready, &seen, stopped));
    follows.await?;
    // Excludes the cost of the start from the cost of following.
    let before = (client.sent().await?, Instant::now());

    let writer = Redis::open(&format!("redis://127.0.0.1:{port}/"))?.handle();
    let mut made = HashMap::new();
    let mut ticks = interval(Duration::from_millis(10));
    for n in 0..CHANGES {
        ticks.tick().await;
        let flag = format!("flag_{n}");
        made.insert(flag.clone(), Instant::now());
        writer.write(&flag, Write::new(Operation::Disable).author("ana")).await?;
    }
    let took = before.1.elapsed().as_secs_f64();
    // Includes the bytes to the writer, which are few.
    let transferred = client.sent().await? - before.0;
    // The last changes may not have arrived yet.
    let seen = thread::spawn(move || {
        let mut visible = Vec::new();
        while !made.is_empty() {
            let (flag, at): (String, Instant) = sightings.recv_timeout(PATIENCE)?;
            visible.extend(made.remove(&flag).map(|start| at - start));
        }
        Ok::<_, mpsc::RecvTimeoutError>(visible)
    });
    while !seen.is_finished() {
        sleep(Duration::from_millis(10)).await;
    }
    let _ = stop.send(());
    let processor = instance.join().map_err(|_| "the instance has panicked")?;
    let seen = seen.join().map_err(|_| "reading what was seen has panicked")?;
    let mut visible = seen.map_err(|_| format!("a change was not seen within {PATIENCE:?}"))?;
    println!("{CHANGES} changes among {MANY} overrides in {took:.1} s:");
    print("from a change to in force", &mut visible);
    println!(
        "{:>22}: {:.1} % of a core, {:.2} MB/s",
        "an instance",
        100.0 * processor.as_secs_f64() / took,
        transferred as f64 / took / 1e6,
    );
    Ok(())
}

/// Runs an instance in a thread of its own. Returns the time that this thread has run since the start.
fn follow(
    port: u16,
    ready: oneshot::Sender<()>,
    seen: &mpsc::Sender<(String, Instant)>,
    mut stopped: oneshot::Receiver<()>,
) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has threads").block_on(async move {
        let redis = Redis::open(&format!("redis://127.0.0.1:{port}/")).expect("a URL");
        let flags = Flags::builder().source(redis).require_ready().start().await;
        let flags = flags.expect("the server is there");
        let mut events = flags.events();
        // The instance announces itself and its flags first.
        sleep(Duration::from_secs(2)).await;
        let before = run_time();
        let _ = ready.send(());
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = &mut stopped => return run_time() - before,
            };
            let at = Instant::now();
            if let Some(Event::Changed { changes, .. }) = event {
                for change in changes {
                    let _ = seen.send((change.key, at));
                }
            }
        }
    })
}

/// Returns the time that this thread has run on a processor.
fn run_time() -> Duration {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = statistics.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let quantile = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{what:>22}: p50 {:?}, p99 {:?}, longest {:?}",
        quantile(50),
        quantile(99),
        quantile(100)
    );
}

/// A server that stops when this value is dropped.
struct Server(Child);

impl Server {
    fn start(port: u16) -> Result<Self, Box<dyn Error>> {
        let mut server = Command::new("redis-server");
        server.args(["--port", &port.to_string(), "--save", ""]).stdout(Stdio::null());
        Ok(Self(server.spawn()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have stopped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that sends the protocol's inline commands.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(port: u16) -> Result<Self, Box<dyn Error>> {
        let connect = async {
            loop {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                    Ok(stream) => return stream,
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let stream = timeout(PATIENCE, connect).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    async fn ask(&mut self, command: &str) -> Result<(), Box<dyn Error>> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).await?;
        match answer.starts_with('-') {
            true => Err(answer.into()),
            false => Ok(()),
        }
    }

    /// Returns the bytes that the server has sent to all clients. A proxy that counts would delay what it passes on.
    async fn sent(&mut self) -> Result<u64, Box<dyn Error>> {
        self.0.get_mut().write_all(b"INFO stats\r\n").await?;
        let mut length = String::new();
        self.0.read_line(&mut length).await?;
        let mut answer = vec![0; length.trim_start_matches('$').trim_end().parse::<usize>()? + 2];
        self.0.read_exact(&mut answer).await?;
        let answer = String::from_utf8(answer)?;
        let sent = answer.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        Ok(sent.ok_or("the server does not count bytes")?.parse()?)
    }
}
