//! TLS, with a certificate authority made by the test.

use std::{fs, time::Duration};

use flagstaff::{
    Redis,
    answer::FlagState,
    source::{InvalidRedis, RedisErrorKind},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::{becomes, follow, refusal};
use crate::{
    redis::server::{Port, Server},
    support::BOUND,
};

struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// Starts a server with a certificate for `localhost`. Returns it with its port for TLS.
fn server(authority: &Authority, arguments: &[&str]) -> (Server, Port) {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let identity = authority.identity("localhost");
    let (certificate, key) =
        (file("server.crt", &identity.certificate), file("server.key", &identity.key));
    let (authority, port) = (file("ca.crt", &authority.pem()), Port::take());
    let number = port.number.to_string();
    let tls = ["--tls-port", &number, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let mut all = [&tls[..], &["--tls-ca-cert-file", &authority], arguments].concat();
    if arguments.is_empty() {
        all.extend(["--tls-auth-clients", "no"]);
    }
    (Server::with(&all), port)
}

fn open(host: &str, port: &Port) -> Redis {
    Redis::open(&format!("rediss://{host}:{}", port.number)).unwrap()
}

#[tokio::test]
async fn a_server_whose_authority_is_trusted_is_followed() {
    let authority = Authority::new("ours");
    let (server, port) = server(&authority, &[]);
    let trusting = open("localhost", &port).root_certificate(authority.pem()).unwrap();
    let flags = follow(trusting).await;

    server.cli(&["HSET", "feature_flags", "beta", "1"]);

    becomes(&flags, "beta", FlagState::On).await;
}

#[tokio::test]
async fn several_authorities_are_trusted_beside_each_other() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (_server, port) = server(&ours, &[]);

    let redis = open("localhost", &port).root_certificate(ours.pem()).unwrap();
    follow(redis.root_certificate(theirs.pem()).unwrap()).await;

    let both = format!("{}{}", theirs.pem(), ours.pem());
    follow(open("localhost", &port).root_certificate(both).unwrap()).await;
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_not_trusted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (_server, port) = server(&ours, &[]);
    let trusting =
        |authority: &Authority, host| open(host, &port).root_certificate(authority.pem()).unwrap();

    for (redis, said) in [
        // Without a root certificate, only those of the system are trusted.
        (open("localhost", &port), "name it with `root_certificate`"),
        (trusting(&theirs, "localhost"), "name it with `root_certificate`"),
        (trusting(&ours, "127.0.0.1"), "not valid for name"),
    ] {
        let (kind, message) = refusal(redis).await;

        assert_eq!(kind, RedisErrorKind::Tls);
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_requires_a_client_certificate_is_reported_and_gets_one() {
    let authority = Authority::new("ours");
    let (_server, port) = server(&authority, &["--tls-auth-clients", "yes"]);
    let redis = || open("localhost", &port).root_certificate(authority.pem()).unwrap();

    let (kind, message) = refusal(redis()).await;
    assert_eq!(kind, RedisErrorKind::Tls);
    assert!(message.contains("`client_certificate`"), "{message}");

    let us = authority.identity("us");
    follow(redis().client_certificate(us.certificate, us.key).unwrap()).await;
}

#[tokio::test]
async fn tls_on_one_side_only_is_reported() {
    let authority = Authority::new("ours");
    let (server, port) = server(&authority, &[]);
    let plain = Redis::open(&format!("redis://localhost:{}", port.number)).unwrap();
    let secure = Redis::open(&format!("rediss://localhost:{}", server.port())).unwrap();

    let (kind, message) = refusal(plain.connect_timeout(BOUND).response_timeout(BOUND)).await;
    assert_eq!(kind, RedisErrorKind::HungUp);
    assert!(message.contains("expects TLS (`rediss://`)"), "{message}");

    let (kind, message) = refusal(secure.connect_timeout(Duration::from_millis(100))).await;
    assert_eq!(kind, RedisErrorKind::ConnectTimeout);
    assert!(message.contains("or does not support it"), "{message}");
}

#[test]
fn certificates_are_checked_when_they_are_named() {
    let redis = || Redis::open("rediss://localhost").unwrap();
    let (us, them) =
        (Authority::new("ours").identity("us"), Authority::new("theirs").identity("them"));

    for wrong in [
        redis().root_certificate("no certificate"),
        redis().root_certificate(&us.key),
        redis().client_certificate(&us.key, &us.key),
    ] {
        let error = wrong.unwrap_err();
        assert!(matches!(error, InvalidRedis::Certificate { .. }), "{error}");
    }
    for wrong in [
        redis().client_certificate(&us.certificate, &us.certificate),
        redis().client_certificate(&us.certificate, &them.key),
    ] {
        let error = wrong.unwrap_err();
        assert!(matches!(error, InvalidRedis::Key { .. }), "{error}");
    }
}
