//! Connections to the server that has the flags: one server, a node of a cluster, or the master
//! that sentinels have chosen.

mod allowance;
mod connection;
mod hint;
mod node;
mod open;
mod opening;
mod redirect;
mod sentinel;
mod stream;
mod timeouts;
#[cfg(feature = "redis-tls")]
mod tls;
#[cfg(not(feature = "redis-tls"))]
#[path = "without_tls.rs"]
mod tls;

use std::{fmt, sync::Arc};

pub use self::node::InvalidRedis;
pub(super) use self::{
    allowance::Allowance,
    connection::{Commands, Connection, OnPush},
    timeouts::Timeouts,
};
use self::{hint::Hint, node::Node, opening::Opening, sentinel::Sentinels, tls::Tls};
use super::error::RedisError;

/// The servers that have the flags. `Debug` and `Display` show no password.
#[derive(Debug, Clone)]
pub(super) struct Target {
    servers: Servers,
    tls: Tls,
    hint: Arc<Hint>,
}

#[derive(Debug, Clone)]
enum Servers {
    /// A server, or nodes of a cluster. A redirect shows that it is a cluster.
    Nodes(Vec<Node>),
    Sentinels(Sentinels),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = match &self.servers {
            Servers::Nodes(nodes) => nodes,
            Servers::Sentinels(sentinels) => {
                write!(f, "master {}", sentinels.name)?;
                match sentinels.master.login.db() {
                    0 => {}
                    database => write!(f, "/{database}")?,
                }
                f.write_str(" of sentinels ")?;
                &sentinels.nodes
            }
        };
        let addresses: Vec<_> = nodes.iter().map(Node::to_string).collect();
        f.write_str(&addresses.join(", "))
    }
}

impl Target {
    /// Returns `true` if both have a server, or a master of sentinels, and its database in common.
    pub(super) fn shares_server(
        &self,
        other: &Self,
        is_same_host: &impl Fn(&str, &str) -> bool,
    ) -> bool {
        let shared = |own: &[Node], others: &[Node]| {
            let is_shared =
                |node: &Node| others.iter().any(|other| node.is_same_server(other, is_same_host));
            own.iter().any(is_shared)
        };
        match (&self.servers, &other.servers) {
            (Servers::Nodes(own), Servers::Nodes(others)) => shared(own, others),
            (Servers::Sentinels(own), Servers::Sentinels(others)) => {
                own.name == others.name
                    && own.master.login.db() == others.master.login.db()
                    && shared(&own.nodes, &others.nodes)
            }
            _ => false,
        }
    }

    /// Returns the number of the database. A cluster has only 0.
    pub(super) fn database(&self) -> i64 {
        match &self.servers {
            Servers::Nodes(nodes) => nodes.first().map_or(0, |node| node.login.db()),
            Servers::Sentinels(sentinels) => sentinels.master.login.db(),
        }
    }

    /// Parses the URL of one server.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidRedis> {
        Ok(Self::new(Servers::Nodes(vec![Node::parse(url)?])))
    }

    /// Parses the URLs of some nodes of a cluster.
    pub(super) fn cluster(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidRedis> {
        let nodes = node::parse_all(urls)?;
        match nodes.iter().find(|node| node.login.db() != 0) {
            Some(node) => Err(InvalidRedis::ClusterDatabase { node: node.address.to_string() }),
            None => Ok(Self::new(Servers::Nodes(nodes))),
        }
    }

    /// Parses the URLs of sentinels. The host of `master` is their name for the master, and its
    /// other parts are the login there.
    pub(super) fn sentinel(
        master: &str,
        urls: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidRedis> {
        let (name, master) = node::parse_master(master)?;
        let nodes = node::parse_all(urls)?;
        Ok(Self::new(Servers::Sentinels(Sentinels::new(name, master, nodes))))
    }

    fn new(servers: Servers) -> Self {
        Self { servers, tls: Tls::default(), hint: Arc::default() }
    }

    /// Trusts the authorities in `pem` instead of those that the system trusts.
    #[cfg(feature = "redis-tls")]
    pub(super) fn trust(&mut self, pem: &[u8]) -> Result<(), InvalidRedis> {
        self.tls.trust(pem)
    }

    /// Shows a certificate to servers that ask for one.
    #[cfg(feature = "redis-tls")]
    pub(super) fn identify(&mut self, certificate: &[u8], key: &[u8]) -> Result<(), InvalidRedis> {
        self.tls.identify(certificate, key)
    }

    /// Connects to the server that has `key`.
    pub(super) async fn connect(
        &self,
        key: &str,
        timeouts: &Timeouts,
        push: Option<OnPush>,
    ) -> Result<Connection, RedisError> {
        let opening = self.opening(key, timeouts);
        match &self.servers {
            Servers::Nodes(nodes) => redirect::connect(&opening, nodes, push).await,
            Servers::Sentinels(sentinels) => sentinels.connect(&opening, push).await,
        }
    }

    /// Returns `true` if `connection` still leads to the server that has the flags.
    pub(super) async fn is_current(&self, connection: &Connection) -> bool {
        match &self.servers {
            // Nodes redirect us themselves.
            Servers::Nodes(_) => true,
            Servers::Sentinels(sentinels) => {
                let opening = self.opening(&connection.place.key, &connection.timeouts);
                sentinels.is_current(&opening, &connection.node.address).await
            }
        }
    }

    fn opening<'a>(&'a self, key: &'a str, timeouts: &'a Timeouts) -> Opening<'a> {
        Opening { key, timeouts, tls: &self.tls, hint: &self.hint }
    }
}
