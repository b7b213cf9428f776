//! A server with scripted answers, which a real server never gives, or not on demand.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A server with the answers by the names of commands. All other commands are errors.
pub(crate) struct Fake {
    port: u16,
    answers: Arc<Mutex<HashMap<&'static str, String>>>,
}

impl Fake {
    pub(crate) fn start(answers: &[(&'static str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let fake = Self { port, answers: Arc::default() };
        for (command, answer) in [("HELLO", "%1\r\n+proto\r\n:3\r\n"), ("PING", "+PONG\r\n")] {
            fake.answer(command, answer);
        }
        for (command, answer) in answers {
            fake.answer(command, answer);
        }
        let answers = Arc::clone(&fake.answers);
        // The thread runs until the process of the test ends.
        thread::spawn(move || {
            for client in listener.incoming() {
                let answers = Arc::clone(&answers);
                thread::spawn(move || serve(&client.unwrap(), &answers));
            }
        });
        fake
    }

    /// Sets the answer to a command, in the format of the protocol.
    pub(crate) fn answer(&self, command: &'static str, answer: &str) {
        self.answers.lock().unwrap().insert(command, answer.to_owned());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

/// Answers until the client closes the connection.
fn serve(mut client: &TcpStream, answers: &Mutex<HashMap<&'static str, String>>) -> Option<()> {
    let mut commands = BufReader::new(client);
    loop {
        let parts = number(&mut commands, '*')?;
        let mut words = Vec::new();
        for _ in 0..parts {
            let mut word = vec![0; number(&mut commands, '$')? + 2];
            commands.read_exact(&mut word).ok()?;
            words.push(String::from_utf8_lossy(&word).trim().to_uppercase());
        }
        let answer = answers.lock().unwrap().get(&*words[0]).cloned();
        let answer = answer.unwrap_or_else(|| "-ERR unknown command\r\n".to_owned());
        client.write_all(answer.as_bytes()).ok()?;
    }
}

fn number(commands: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    commands.read_line(&mut line).ok()?;
    line.trim().strip_prefix(kind)?.parse().ok()
}
