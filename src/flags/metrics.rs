//! What the layers are like, for whoever collects metrics.
//!
//! Nothing here is on the way of an evaluation: metrics change when a layer says something.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::{Health, LayerHealth, Status};

const FAILURES: &str = "flagstaff_layer_failures_total";
const REFUSED: &str = "flagstaff_flags_refused_total";
const GENERATIONS: &str = "flagstaff_generations_total";
const STATUS: &str = "flagstaff_layer_status";
const CONFIRMED: &str = "flagstaff_layer_confirmed_timestamp_seconds";
const FLAGS: &str = "flagstaff_layer_flags";

/// What was counted and not told yet.
#[derive(Debug)]
pub(super) struct Untold {
    failures: Vec<(&'static str, &'static str)>,
    refused: Vec<(&'static str, usize)>,
    generations: Vec<&'static str>,
}

impl Untold {
    pub(super) fn new() -> Self {
        Self { failures: Vec::new(), refused: Vec::new(), generations: Vec::new() }
    }

    pub(super) fn failed(&mut self, layer: &'static str, kind: &'static str) {
        self.failures.push((layer, kind));
    }

    /// A layer's state was read, and so many flags in it were refused.
    pub(super) fn refused(&mut self, layer: &'static str, flags: usize) {
        self.refused.push((layer, flags));
    }

    pub(super) fn published(&mut self, layer: &'static str) {
        self.generations.push(layer);
    }
}

/// Says what the metrics mean, to exporters that pass it on.
pub(super) fn describe() {
    describe_counter!(FAILURES, "Failures of a layer, by kind");
    describe_counter!(REFUSED, "Flags whose new value was refused");
    describe_counter!(GENERATIONS, "Generations published, by the layer whose state made them");
    describe_gauge!(STATUS, "1 for the status that a layer has, 0 for the others");
    describe_gauge!(CONFIRMED, "When a layer's source last said what is in force, in Unix time");
    describe_gauge!(FLAGS, "How many flags a layer lists");
}

/// Tells the recorder that the program has installed, if it has.
pub(super) fn record(untold: &Untold, health: &Health, now: SystemTime) {
    for &(layer, kind) in &untold.failures {
        counter!(FAILURES, "layer" => layer, "kind" => kind).increment(1);
    }
    for &(layer, flags) in &untold.refused {
        counter!(REFUSED, "layer" => layer).increment(u64::try_from(flags).unwrap_or(u64::MAX));
    }
    for &layer in &untold.generations {
        counter!(GENERATIONS, "layer" => layer).increment(1);
    }
    health.layers.iter().for_each(|layer| record_layer(layer, now));
}

fn record_layer(layer: &LayerHealth, now: SystemTime) {
    let name = layer.name;
    for status in [Status::NotReady, Status::Ready, Status::Error] {
        let is = f64::from(u8::from(layer.status == status));
        gauge!(STATUS, "layer" => name, "status" => status.as_str()).set(is);
    }
    // Not an age: that would have to be set again and again while nothing happens.
    let confirmed = layer.age.and_then(|age| now.checked_sub(age)?.duration_since(UNIX_EPOCH).ok());
    gauge!(CONFIRMED, "layer" => name).set(confirmed.as_ref().map_or(0.0, Duration::as_secs_f64));
    let flags = u32::try_from(layer.flags).unwrap_or(u32::MAX);
    gauge!(FLAGS, "layer" => name).set(f64::from(flags));
}
