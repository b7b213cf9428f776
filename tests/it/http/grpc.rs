//! Gates in tonic, tested with clients in two languages.

use std::{net::SocketAddr, process::Stdio};

use flagstaff::{FlagGate, Flags, context::Anonymous, gate::GrpcStatus};
use tokio::net::TcpListener;
use tonic::{
    Code, Status,
    service::LayerExt,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::flags;
use crate::support::python;

/// Starts a gRPC server, with a gate around everything or around its one service.
async fn serve(flags: &Flags, gate: FlagGate, around_all: bool) -> SocketAddr {
    let (_, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener);
    let server = Server::builder().layer(flags.request_layer(Anonymous));
    if around_all {
        let router = server.layer(gate).add_service(health);
        tokio::spawn(router.serve_with_incoming(incoming));
    } else {
        let mut server = server;
        let router = server.add_service(gate.named_layer(health));
        tokio::spawn(router.serve_with_incoming(incoming));
    }
    address
}

async fn client(address: SocketAddr) -> HealthClient<Channel> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(channel.connect().await.unwrap())
}

async fn check(address: SocketAddr) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: String::new() };
    let response = client(address).await.check(request).await?;
    Ok(response.into_inner().status)
}

/// Returns the first status of the stream.
async fn watch(address: SocketAddr) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: String::new() };
    let mut stream = client(address).await.watch(request).await?.into_inner();
    Ok(stream.message().await?.expect("the status of now comes first").status)
}

#[test]
fn a_status_has_the_number_that_tonic_has() {
    for number in 0..=20 {
        let code = Code::from(number);
        let name = format!("{code:?}");
        let status = GrpcStatus::try_from(number).map(|status| format!("{status:?}"));

        // Tonic converts other numbers to `Unknown`, which is 2.
        let is_known = number == 2 || code != Code::Unknown;
        assert_eq!(status.ok(), (is_known && code != Code::Ok).then_some(name), "{number}");
    }
}

#[tokio::test]
async fn tonics_client_sees_a_closed_gate_as_unimplemented() {
    for around_all in [true, false] {
        let flags = flags([("health", false.into())]).await;
        let address = serve(&flags, FlagGate::new("health"), around_all).await;

        let status = check(address).await.unwrap_err();

        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.message(), "Feature not available");

        flags.enable("health").await.unwrap();

        assert_eq!(check(address).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn tonics_client_gets_the_configured_status_and_message() {
    let flags = flags([("health", false.into())]).await;
    let gate = FlagGate::new("health")
        .grpc_status(GrpcStatus::Unavailable)
        .detail("zurück um 100 % „9 Uhr“\n");
    let address = serve(&flags, gate, true).await;

    let status = check(address).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "zurück um 100 % „9 Uhr“\n");
}

#[tokio::test]
async fn a_gate_on_one_method_leaves_the_other_methods_of_the_service_open() {
    for around_all in [true, false] {
        let flags = flags([("check", false.into())]).await;
        let gate = FlagGate::new("check").only(|head| head.uri.path().ends_with("Health/Check"));
        let address = serve(&flags, gate, around_all).await;

        assert_eq!(check(address).await.unwrap_err().code(), Code::Unimplemented);
        assert_eq!(watch(address).await.unwrap(), 1);

        flags.enable("check").await.unwrap();

        assert_eq!(check(address).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn pythons_client_sees_the_same() {
    let flags = flags([("health", false.into())]).await;
    let gate = FlagGate::new("health").detail("zurück um 100 %");
    let address = serve(&flags, gate, true).await;
    let script = "tests/interop/grpc_client.py";
    let ask = async || {
        let mut client = tokio::process::Command::from(python());
        client.arg(script).arg(address.to_string()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = client.output().await.unwrap();
        assert!(output.status.success(), "{}", output.status);
        String::from_utf8(output.stdout).unwrap()
    };

    assert_eq!(ask().await, "UNIMPLEMENTED zurück um 100 %\n");

    flags.enable("health").await.unwrap();

    assert_eq!(ask().await, "OK 0801\n");
}
