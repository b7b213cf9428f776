//! A gRPC service behind a gate: `cargo run -p flagstaff-tests --example tonic`.
//!
//! The service is gRPC's health check, which needs no code generation. `ADDR` is the address to listen on
//! (`127.0.0.1:3000`; port 0 is any free one), `FLAGS_FILE` the file (the repository's
//! `flags.toml`).

use std::{env, error::Error};

use flagstaff::{Env, File, FlagGate, Flags, TrustedHeaders};
use tokio::net::TcpListener;
use tonic::{
    service::LayerExt,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::server::health_reporter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = env::var("FLAGS_FILE").unwrap_or_else(|_| "flags.toml".to_owned());
    let (env, file) = (Env::with_prefix("FEATURE_"), File::open(&path)?);
    let flags = Flags::builder().source(env).source(file).start().await?;

    // Around one service; `Server::builder().layer(gate)` closes all of them. `named_layer` keeps
    // the name by which tonic finds the service.
    let (_reporter, health) = health_reporter();
    let health = FlagGate::new("beta").detail("Beta only").named_layer(health);
    // Around one method.
    let watch = FlagGate::new("hidden").only(|head| head.uri.path().ends_with("Health/Watch"));
    let server = Server::builder()
        // Trusts the metadata `x-user-id`: only behind a proxy that sets it and removes that of clients.
        .layer(flags.request_layer(TrustedHeaders::default()))
        .layer(watch)
        .add_service(health);

    let listener = TcpListener::bind(env::var("ADDR").unwrap_or("127.0.0.1:3000".into())).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}, flags from {path}; try:");
    println!("  grpc_health_probe -addr={address}   # Unimplemented until {path} has beta = true");
    Ok(server.serve_with_incoming(TcpIncoming::from(listener)).await?)
}
