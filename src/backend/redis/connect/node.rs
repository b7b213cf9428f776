//! The address of one server, with the login.

use std::{fmt, net::IpAddr, path::PathBuf};

use redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};

/// An error in the configuration of Redis.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRedis {
    /// The string is not the URL of a Redis server.
    #[error(
        "`{url}` is not a URL of Redis, such as `redis://user:password@host:6379/0` or `unix:///run/redis.sock`; special \
         characters of user and password are percent-encoded (`@` as `%40`)"
    )]
    Url {
        /// The URL, without user and password.
        url: String,
    },
    /// The query of the URL has an unknown key. It would be ignored, and another database be meant.
    #[error("the query of `{url}` has a key that is not known: {remedy}")]
    #[non_exhaustive]
    Query {
        /// The URL, without its query, and without user and password.
        url: String,
        /// The keys that are known, and where the URL has everything else.
        remedy: &'static str,
    },
    /// A cluster or sentinels without any address.
    #[error("a cluster, and sentinels, need the URL of at least one node")]
    NoNodes,
    /// A database is chosen for a cluster.
    #[error("the URL of `{node}` names a database other than 0, which a cluster does not have")]
    ClusterDatabase {
        /// The address of the node.
        node: String,
    },
    /// A certificate is not in PEM form.
    #[error("a certificate for Redis is not in PEM form: {reason}")]
    Certificate {
        /// The mistake in the certificate.
        reason: String,
    },
    /// The key of a client certificate is not in PEM form, or does not belong to the certificate.
    #[error("the key of the client certificate cannot be used: {reason}")]
    Key {
        /// The mistake in the key.
        reason: String,
    },
    /// TLS is not built in.
    #[error("`{url}` asks for TLS: build with the feature `redis-tls` of flagstaff")]
    WithoutTls {
        /// The URL, without user and password.
        url: String,
    },
}

crate::error::debug_is_message!(InvalidRedis);

/// The address and login of one server. `Debug` and `Display` omit the password.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) tls: bool,
    pub(super) login: RedisConnectionInfo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Address {
    /// Returns `true` if both have the same address. `is_same_host` compares hosts whose names
    /// differ.
    fn is_same(&self, other: &Self, is_same_host: &impl Fn(&str, &str) -> bool) -> bool {
        match (self, other) {
            (Self::Tcp { host, port }, Self::Tcp { host: other, port: other_port }) => {
                port == other_port
                    && (host.eq_ignore_ascii_case(other)
                        || (is_loopback(host) && is_loopback(other))
                        || is_same_host(host, other))
            }
            (Self::Unix(path), Self::Unix(other)) => path == other,
            _ => false,
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|it| it.to_canonical().is_loopback())
}

/// Prints the address, and the number of the database unless it is 0: two databases of a server are
/// two stores.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        // As the URL has it.
        match (self.login.db(), &self.address) {
            (0, _) => Ok(()),
            (database, Address::Tcp { .. }) => write!(f, "/{database}"),
            (database, Address::Unix(_)) => write!(f, "?db={database}"),
        }
    }
}

impl Node {
    /// Returns `true` if both have the same database of the same server.
    pub(super) fn is_same_server(
        &self,
        other: &Self,
        is_same_host: &impl Fn(&str, &str) -> bool,
    ) -> bool {
        self.login.db() == other.login.db() && self.address.is_same(&other.address, is_same_host)
    }

    pub(super) fn parse(url: &str) -> Result<Self, InvalidRedis> {
        let invalid = || InvalidRedis::Url { url: without_login(url) };
        // Streams of our own do TLS, so the library must not refuse its scheme.
        let (tls, plain) = match url.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (true, format!("redis://{rest}")),
            _ => (false, url.to_owned()),
        };
        if tls && cfg!(not(feature = "redis-tls")) {
            return Err(InvalidRedis::WithoutTls { url: without_login(url) });
        }
        let info: ConnectionInfo = plain.parse().map_err(|_| invalid())?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(invalid()),
        };
        if let Some(remedy) = refused_query(url, &address) {
            return Err(InvalidRedis::Query { url: without_login(url), remedy });
        }
        Ok(Self { address, tls, login: info.redis_settings().clone() })
    }
}

/// Returns the remedy if the query of a valid URL has a key that is not known.
///
/// The library ignores such a key: `redis://host?db=15` would be database 0. The message does not name the key, which
/// may be a part of a password with `&`.
fn refused_query(url: &str, address: &Address) -> Option<&'static str> {
    let (known, remedy): (&[&str], _) = match address {
        Address::Tcp { .. } => (
            &["protocol"],
            "the database is the path, as in `redis://host:port/15`, and user and password come before the host, as in \
             `redis://user:password@host:port/15`",
        ),
        Address::Unix(_) => (
            &["db", "user", "pass", "protocol"],
            "those of a socket are `db`, `user`, `pass` and `protocol`, as in `unix:///run/redis.sock?db=15`, and `&` in \
             a value is written as `%26`",
        ),
    };
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (_, query) = url.split_once('?')?;
    let keys = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key));
    let mut keys = keys.filter(|key| !key.is_empty());
    keys.any(|key| !known.contains(&key)).then_some(remedy)
}

pub(super) fn parse_all(
    urls: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Vec<Node>, InvalidRedis> {
    let nodes: Vec<_> =
        urls.into_iter().map(|url| Node::parse(url.as_ref())).collect::<Result<_, _>>()?;
    if nodes.is_empty() { Err(InvalidRedis::NoNodes) } else { Ok(nodes) }
}

/// Parses the name of a master, alone or as the host of a URL.
pub(super) fn parse_master(master: &str) -> Result<(String, Node), InvalidRedis> {
    let node = match master.contains("://") {
        true => Node::parse(master)?,
        false => Node::parse(&format!("redis://{master}"))?,
    };
    match &node.address {
        Address::Tcp { host, .. } => Ok((host.clone(), node)),
        Address::Unix(_) => Err(InvalidRedis::Url { url: without_login(master) }),
    }
}

/// Returns the URL as messages may show it: without any part that may be a password.
fn without_login(url: &str) -> String {
    let (scheme, rest) = match url.find("://") {
        Some(end) => url.split_at(end + 3),
        None => ("", url),
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    // The URL of a socket has its login in the query.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.split_once(':') {
        // The rest is not a port: the host may have been forgotten.
        Some((user, rest)) if !user.starts_with('[') && !is_port(rest) => format!("{scheme}{user}"),
        _ => format!("{scheme}{rest}"),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Node {
        Node::parse(url).unwrap()
    }

    #[test]
    fn a_url_has_address_login_and_database() {
        let node = parse("valkey://ana:p%40ss%2Fw%3Ard@[::1]/3");

        assert_eq!(node.address.to_string(), "[::1]:6379");
        assert_eq!(node.to_string(), "[::1]:6379/3");
        assert_eq!(parse("redis://host/0").to_string(), "host:6379");
        assert_eq!(node.login.username(), Some("ana"));
        assert_eq!(node.login.password(), Some("p@ss/w:rd"));
        assert_eq!((node.login.db(), node.tls), (3, false));
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_has_its_login_in_the_query() {
        for scheme in ["unix", "redis+unix", "valkey+unix"] {
            let node = parse(&format!("{scheme}:///run/redis.sock?db=2&user=ana&pass=secret"));

            assert_eq!(node.address, Address::Unix("/run/redis.sock".into()));
            assert_eq!(node.to_string(), "/run/redis.sock?db=2");
            assert_eq!((node.login.username(), node.login.db()), (Some("ana"), 2));
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let refused = |url| Node::parse(url).unwrap_err().to_string();

        assert!(!format!("{:?}", parse("redis://ana:secret@host")).contains("secret"));
        assert!(refused("http://ana:secret@host").contains("`http://host`"));
        assert!(refused("redis://:secret").contains("`redis://`"));
        assert!(refused("redis://ana:secret").contains("`redis://ana`"));
        assert!(refused("redis://ana:123456").contains("`redis://ana`"));
        assert!(refused("redis://ana:secret@[::1]:6379/x").contains("`redis://[::1]:6379/x`"));
        assert!(refused("redis://:sec#ret@host").contains("`redis://host`"));
        assert!(
            refused("unix://else/run/redis.sock?pass=secret")
                .contains("`unix://else/run/redis.sock`")
        );
    }

    #[test]
    fn a_master_is_named_alone_or_with_its_login() {
        let (name, node) = parse_master("My_Master").unwrap();
        assert_eq!((name.as_str(), node.login.username()), ("My_Master", None));

        let (name, node) = parse_master("valkey://ana:secret@My_Master/2").unwrap();
        assert_eq!((name.as_str(), node.login.username()), ("My_Master", Some("ana")));
        assert_eq!((node.login.db(), node.tls), (2, false));
    }

    #[test]
    fn an_invalid_redis_url_is_refused() {
        for url in ["", "localhost", "localhost:6379", "redis://", "redis://host/x", "amqp://host"]
        {
            let error = Node::parse(url).unwrap_err();

            assert_eq!(error, InvalidRedis::Url { url: url.to_owned() });
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_refused_in_the_query_of_every_scheme() {
        let hosts = ["redis://host", "redis://ana:secret@host:6380/", "valkey://host/0"];
        let tls = ["rediss://host", "valkeys://host"];
        let hosts = hosts.iter().chain(tls.iter().filter(|_| cfg!(feature = "redis-tls")));
        for url in hosts {
            for query in ["?db=15", "?user=ana", "?protocol=3&DB=15", "?db", "?d%62=15", "?db=15#x"]
            {
                let error = Node::parse(&format!("{url}{query}")).unwrap_err();

                assert!(matches!(error, InvalidRedis::Query { .. }), "{url}{query}: {error}");
                assert!(error.to_string().contains("`redis://host:port/15`"), "{error}");
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            for query in ["", "?", "?protocol=3", "?protocol=resp2&"] {
                let node = Node::parse(&format!("{url}{query}")).unwrap();

                assert_eq!(node.login.db(), 0, "{url}{query}");
            }
        }
        assert!(parse_master("mymaster?db=15").is_err());
        assert!(parse_all(["redis://a", "redis://b?db=15"]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_is_not_known_is_refused_in_the_query_of_a_socket() {
        for scheme in ["unix", "redis+unix", "valkey+unix"] {
            for query in ["database=15", "db=1&DB=15", "pass=a&secret", "password=secret"] {
                let error = Node::parse(&format!("{scheme}:///run/redis.sock?{query}"));

                let error = error.unwrap_err().to_string();
                assert!(error.contains("`db`, `user`, `pass` and `protocol`"), "{error}");
                assert!(!error.contains("secret"), "{error}");
            }
        }
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_asks_for_its_feature() {
        let error = Node::parse("rediss://:secret@host").unwrap_err();

        assert_eq!(error, InvalidRedis::WithoutTls { url: "rediss://host".to_owned() });
    }
}
