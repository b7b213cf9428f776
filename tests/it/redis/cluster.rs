//! A cluster of which one node has the flags.

use super::server::{Port, Server};

/// The output of `CLUSTER KEYSLOT feature_flags`.
const SLOT: &str = "12284";

/// Three masters, of which the second has the flags.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
    buses: Vec<Port>,
}

impl Cluster {
    pub(crate) const OWNER: usize = 1;

    pub(crate) fn start() -> Self {
        let mut cluster = Self { nodes: Vec::new(), buses: Vec::new() };
        for (index, slots) in
            [["0", "5460"], ["10923", "16383"], ["5461", "10922"]].iter().enumerate()
        {
            let node = cluster.add();
            let epoch = (index + 1).to_string();
            cluster.nodes[node].cli(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            cluster.nodes[node].cli(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
        }
        for node in 1..3 {
            cluster.meet(node);
        }
        for node in &cluster.nodes {
            node.wait_for("Cluster state changed: ok");
        }
        cluster
    }

    pub(crate) fn add(&mut self) -> usize {
        let bus = Port::take();
        let number = bus.number.to_string();
        let cluster = ["--cluster-enabled", "yes", "--cluster-port", &number];
        let timeout = ["--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"];
        self.nodes.push(Server::with(&[cluster, timeout].concat()));
        self.buses.push(bus);
        self.nodes.len() - 1
    }

    pub(crate) fn meet(&self, node: usize) {
        let (port, bus) =
            (self.nodes[node].port().to_string(), self.buses[node].number.to_string());
        self.nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
    }

    pub(crate) fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"])
    }

    pub(crate) fn url(&self, node: usize) -> String {
        self.nodes[node].url()
    }

    fn set_slot(&self, on: usize, rest: &[&str]) {
        self.nodes[on].cli(&[&["CLUSTER", "SETSLOT", SLOT], rest].concat());
    }

    /// Starts to move the slot, so that each of the two nodes may have some of its keys.
    pub(crate) fn announce_move(&self, from: usize, to: usize) {
        self.set_slot(to, &["IMPORTING", &self.id(from)]);
        self.set_slot(from, &["MIGRATING", &self.id(to)]);
    }

    pub(crate) fn move_keys(&self, from: usize, to: usize) {
        let port = self.nodes[to].port().to_string();
        for key in self.nodes[from].cli(&["CLUSTER", "GETKEYSINSLOT", SLOT, "10"]).lines() {
            self.nodes[from].cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        }
    }

    pub(crate) fn finish_move(&self, to: usize) {
        let id = self.id(to);
        for node in [to, 0, 1, 2] {
            self.set_slot(node, &["NODE", &id]);
        }
    }
}
