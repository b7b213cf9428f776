//! Tests of the helpers: the proxy, the server and the Python process.

use std::{collections::BTreeMap, net::TcpStream, thread, time::Duration};

use super::{
    proxy::{Mode, Proxy},
    python::{Python, tempest},
    server::{Server, cli},
};

#[test]
fn a_server_is_killed_and_comes_back_empty_on_its_port() {
    let mut server = Server::start();
    assert_eq!(server.cli(&["SET", "a", "1"]), "OK");

    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());

    server.restart();
    assert_eq!(server.cli(&["EXISTS", "a"]), "0");
}

#[test]
fn a_stopped_server_answers_when_it_goes_on() {
    let server = Server::start();
    let port = server.port();

    server.stop();
    let ping = thread::spawn(move || cli(port, &["PING"]));
    // The system still accepts the connection.
    let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    silent.set_nonblocking(true).unwrap();
    std::io::Write::write_all(&mut &silent, b"PING\r\n").unwrap();
    assert!(std::io::Read::read(&mut &silent, &mut [0]).is_err());
    server.resume();

    assert_eq!(ping.join().unwrap(), "PONG");
}

#[test]
fn arguments_reach_the_server() {
    let server = Server::with(&["--requirepass", "secret"]);

    assert_eq!(server.cli(&["-a", "secret", "CONFIG", "GET", "save"]), "save\n");
}

#[test]
fn a_proxy_passes_on_and_counts() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());

    assert_eq!(cli(proxy.port(), &["ECHO", "through"]), "through");

    let counts = proxy.counts();
    assert_eq!(counts.connections, 1);
    assert_eq!(counts.sent, "*2\r\n$4\r\nECHO\r\n$7\r\nthrough\r\n".len());
    assert_eq!(counts.received, "$7\r\nthrough\r\n".len());
}

#[test]
fn data_that_a_proxy_holds_back_arrives_when_the_network_works_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let port = proxy.port();

    proxy.set(Mode::Drop);
    let ping = thread::spawn(move || cli(port, &["PING"]));
    proxy.wait_for(|counts| counts.connections == 1);
    assert_eq!(proxy.counts().sent, 0);
    proxy.set(Mode::Pass);

    assert_eq!(ping.join().unwrap(), "PONG");
}

#[test]
fn a_slow_proxy_passes_on_little_by_little() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());

    proxy.set(Mode::Slow { bytes: 5, rest: Duration::from_millis(1) });

    assert_eq!(cli(proxy.port(), &["ECHO", &"x".repeat(100)]), "x".repeat(100));
}

#[test]
fn a_proxy_cuts_connections_old_and_new() {
    use std::io::Read;

    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let mut old = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    proxy.wait_for(|counts| counts.connections == 1);

    proxy.set(Mode::Cut);

    let mut new = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    for connection in [&mut old, &mut new] {
        // The connection is closed or reset.
        assert!(matches!(connection.read(&mut [0]), Ok(0) | Err(_)));
    }
    proxy.set(Mode::Pass);
    assert_eq!(cli(proxy.port(), &["PING"]), "PONG");
}

#[test]
fn a_proxy_without_a_server_cuts_off() {
    use std::io::Read;

    let mut server = Server::start();
    server.kill();
    let proxy = Proxy::to(server.port());

    let mut connection = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();

    assert!(matches!(connection.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn the_python_package_reads_and_writes_the_hash() {
    let server = Server::start();
    let mut python = Python::new(&server.url());

    python.enable("on");
    python.disable("off");
    python.set("set", true);
    server.cli(&["HSET", "feature_flags", "cli", "Yes "]);

    let all = python.all();
    assert_eq!(server.cli(&["HGET", "feature_flags", "on"]), "1");
    assert_eq!(server.cli(&["HGET", "feature_flags", "off"]), "0");
    let wanted = [("cli", true), ("off", false), ("on", true), ("set", true)];
    assert_eq!(all, BTreeMap::from(wanted.map(|(name, on)| (name.to_owned(), on))));
    assert!(python.is_enabled("cli") && !python.is_enabled("unset"));
}

#[test]
fn the_table_for_python_holds_names_and_values_of_all_kinds() {
    let server = Server::start();
    let mut python = Python::new(&server.url());

    let table = python.table();
    python.write(&table);

    let all = python.all();
    assert!(table.len() > 400);
    assert!(all.keys().eq(table.keys()));
    assert!(all.values().filter(|&&on| on).count() > 100);
    assert!(all.values().filter(|&&on| !on).count() > 100);
}

/// The stored bytes are those of the writers of this layout.
#[test]
fn flags_of_the_json_layout_are_written_as_python_writes_them() {
    let samples = [
        r#"{"enabled": true, "percentage": 10, "allowed_users": ["internal_tester_1"], "allowed_groups": ["employees"]}"#,
        r#"{"rollout_stages": [{"percentage": 1, "duration_hours": 2}, {"percentage": 100, "duration_hours": null}], "rollout_started": 1795228969.0004983, "current_stage": 0, "percentage": 1, "enabled": true}"#,
        r#"{"enabled": true, "type": "experiment", "variants": {"control": 34, "higher_price": 33, "lower_price": 33}}"#,
        r#"{"allowed_users": ["z\u00e9 \ud83d\ude80"], "percentage": NaN}"#,
    ];
    let server = Server::start();
    let mut python = Python::new(&server.url());

    for sample in samples {
        python.write_json("new:search", &sample.replace(": ", " :").replace(", ", " ,"));
        assert_eq!(server.cli(&["GET", "ff:new:search"]), sample);
    }

    python.write_json("back", r#"{"enabled":true,"unknown":[1]}"#);
    python.update_json("back", r#"{"enabled":false,"rolled_back_at":1795228969.0209136}"#);
    assert_eq!(
        server.cli(&["GET", "ff:back"]),
        r#"{"enabled": false, "unknown": [1], "rolled_back_at": 1795228969.0209136}"#
    );
}

#[test]
fn the_python_command_has_its_verbs_and_exit_codes() {
    let mut server = Server::start();
    let url = server.url();
    let run = |arguments: &[&str]| {
        let output = tempest(&url, arguments);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };

    assert_eq!(run(&["list"]), (Some(0), "(no flags)\n".to_owned()));
    assert_eq!(run(&["get", "beta"]), (Some(1), "beta unset\n".to_owned()));
    assert_eq!(run(&["enable", "beta"]), (Some(0), "beta on\n".to_owned()));
    assert_eq!(run(&["disable", "longer_name"]), (Some(0), "longer_name off\n".to_owned()));
    assert_eq!(run(&["get", "beta"]), (Some(0), "beta on\n".to_owned()));
    assert_eq!(run(&["list"]), (Some(0), "beta         on\nlonger_name  off\n".to_owned()));
    server.kill();
    assert_eq!(run(&["list"]), (Some(2), String::new()));
}
