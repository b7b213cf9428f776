//! A proxy between a client and a server, which can simulate faults of a network.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use crate::support::BOUND;

/// The behaviour of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Pass,
    /// Holds back all data in both directions; the connections stay open. As with TCP, the data
    /// arrives once the network works again.
    Drop,
    /// Holds back all data to the client: the server runs the commands, and its answers do not arrive.
    Mute,
    /// Passes all data to the server, and data to clients until they have received this many bytes in all.
    Until { received: usize },
    /// Passes this many bytes, then pauses, for each direction of each connection.
    Slow { bytes: usize, rest: Duration },
    /// Closes all connections, and new ones at once.
    Cut,
}

/// The traffic so far.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    /// The number of bytes that reached the server.
    pub(crate) sent: usize,
    /// The number of bytes that reached clients.
    pub(crate) received: usize,
}

/// A TCP proxy in front of one server, which stops when this value is dropped.
pub(crate) struct Proxy {
    port: u16,
    network: Arc<Network>,
}

impl Proxy {
    /// Starts a proxy to a port of this machine, on which no server needs to listen.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Arc::new(Network {
            server: (Ipv4Addr::LOCALHOST, server).into(),
            state: Mutex::new(State {
                mode: Mode::Pass,
                gone: false,
                counts: Counts::default(),
                open: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&network);
        thread::spawn(move || accepting.accept(&listener));
        Self { port, network }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn set(&self, mode: Mode) {
        let mut state = self.network.state();
        state.mode = mode;
        if mode == Mode::Cut {
            state.cut();
        }
        self.network.changed.notify_all();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.network.state().counts
    }

    /// Waits until the traffic is `enough`.
    pub(crate) fn wait_for(&self, enough: impl Fn(&Counts) -> bool) {
        let changed = &self.network.changed;
        let wait =
            changed.wait_timeout_while(self.network.state(), BOUND, |state| !enough(&state.counts));
        let (state, timeout) = wait.unwrap();
        assert!(!timeout.timed_out(), "{:?}", state.counts);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.network.state();
        state.gone = true;
        state.cut();
        drop(state);
        self.network.changed.notify_all();
        // Wakes the thread that accepts connections.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

struct Network {
    server: SocketAddr,
    state: Mutex<State>,
    /// Signals a change of the mode or the counts.
    changed: Condvar,
}

struct State {
    mode: Mode,
    gone: bool,
    counts: Counts,
    /// Both ends of every connection, to close them.
    open: Vec<TcpStream>,
}

impl State {
    fn cut(&mut self) {
        for end in self.open.drain(..) {
            // The connection may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    ToServer,
    ToClient,
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        loop {
            let (client, _) = listener.accept().unwrap();
            let mut state = self.state();
            if state.gone {
                return;
            }
            state.counts.connections += 1;
            self.changed.notify_all();
            if state.mode == Mode::Cut {
                continue;
            }
            // Without a server, the connection of the client is closed.
            if let Ok(server) = TcpStream::connect(self.server) {
                // Only the mode delays data.
                let _ = client.set_nodelay(true).and(server.set_nodelay(true));
                state.open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                drop(state);
                self.pump([&client, &server], Way::ToServer);
                self.pump([&server, &client], Way::ToClient);
            }
        }
    }

    /// Starts a thread that passes data from one end to the other, until either end is closed.
    fn pump(self: &Arc<Self>, [from, to]: [&TcpStream; 2], way: Way) {
        let network = Arc::clone(self);
        let mut ends = [from.try_clone().unwrap(), to.try_clone().unwrap()];
        thread::spawn(move || {
            let mut bytes = [0; 16 * 1024];
            let [from, to] = &mut ends;
            'open: while let Ok(count @ 1..) = from.read(&mut bytes) {
                let mut rest = &bytes[..count];
                while !rest.is_empty() {
                    let admitted = network.admit(rest.len(), way);
                    if admitted == 0 || to.write_all(&rest[..admitted]).is_err() {
                        break 'open;
                    }
                    rest = &rest[admitted..];
                }
            }
            for end in ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
    }

    /// Waits until some of these bytes may pass. Returns their number; 0 if the network is cut.
    fn admit(&self, bytes: usize, way: Way) -> usize {
        let mut state = self.state();
        let mut rested = false;
        let admitted = loop {
            state = match state.mode {
                _ if state.gone => return 0,
                Mode::Cut => return 0,
                Mode::Pass => break bytes,
                Mode::Mute | Mode::Until { .. } if matches!(way, Way::ToServer) => break bytes,
                Mode::Until { received } if state.counts.received < received => {
                    break bytes.min(received - state.counts.received);
                }
                Mode::Slow { bytes: few, .. } if rested => break bytes.min(few),
                Mode::Slow { rest, .. } => {
                    // The pause simulates a slow network; a change of the mode ends it.
                    let mode = state.mode;
                    let wait = self
                        .changed
                        .wait_timeout_while(state, rest, |state| state.mode == mode && !state.gone);
                    rested = true;
                    wait.unwrap().0
                }
                Mode::Drop | Mode::Mute | Mode::Until { .. } => self.changed.wait(state).unwrap(),
            };
        };
        match way {
            Way::ToServer => state.counts.sent += admitted,
            Way::ToClient => state.counts.received += admitted,
        }
        self.changed.notify_all();
        admitted
    }
}
