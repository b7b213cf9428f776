//! How long it takes from `HSET` by another client until the change is in force here, beside the time of a plain `GET`.
//!
//! ```console
//! $ cargo bench --bench propagation
//! ```
//!
//! It starts a redis-server of its own.

use std::{
    error::Error,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use flagstaff::{Flags, Redis, answer::FlagState};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

const WRITES: u32 = 3_000;
/// Flags beside the one that changes.
const OTHERS: u32 = 40;
/// A change that takes longer is lost.
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
    Ok(())
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

/// A server that ends with this value.
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
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another client, with the protocol's inline commands.
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
}
