//! Metrics of the sources, for programs that install a recorder.
//!
//! No evaluation runs any of this code, except one as another type than that of the value. Metrics
//! change when a source publishes or fails, and when counts are gathered.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};

use super::{ChangeCause, Health, SourceHealth, Status};
use crate::{foreign, observe::Outcome};

const EVALUATIONS: &str = "flagstaff_evaluations_total";
const FAILURES: &str = "flagstaff_source_failures_total";
const REFUSED: &str = "flagstaff_flags_refused_total";
const GENERATIONS: &str = "flagstaff_generations_total";
const STATUS: &str = "flagstaff_source_status";
const CONFIRMED: &str = "flagstaff_source_confirmed_timestamp_seconds";
const FLAGS: &str = "flagstaff_source_flags";
const MISMATCHES: &str = "flagstaff_type_mismatches_total";
const WARNED: &str = "flagstaff_warnings_total";
const WARNINGS: &str = "flagstaff_source_warnings";

/// The counts that have not been reported to the recorder yet.
#[derive(Debug)]
pub(super) struct Untold {
    failures: Vec<(&'static str, &'static str)>,
    refused: Vec<(&'static str, usize)>,
    generations: Vec<ChangeCause>,
    warnings: Vec<(&'static str, &'static str)>,
}

impl Untold {
    pub(super) fn new() -> Self {
        Self {
            failures: Vec::new(),
            refused: Vec::new(),
            generations: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn failed(&mut self, source: &'static str, kind: &'static str) {
        self.failures.push((source, kind));
    }

    /// Counts the flags that were rejected when the state of a source was read.
    pub(super) fn refused(&mut self, source: &'static str, flags: usize) {
        self.refused.push((source, flags));
    }

    pub(super) fn warned(&mut self, source: &'static str, kind: &'static str) {
        self.warnings.push((source, kind));
    }

    pub(super) fn published(&mut self, cause: ChangeCause) {
        self.generations.push(cause);
    }
}

/// The counter of one flag and one type. It is kept, so that counting needs no lock of this crate
/// and no allocation.
pub(super) struct Mismatch(Counter);

/// Returns the counter of evaluations of a flag as a type that its value does not have.
pub(super) fn mismatch(flag: &str, expected: &'static str) -> Mismatch {
    let counter =
        foreign::call(|| counter!(MISMATCHES, "flag" => flag.to_owned(), "type" => expected));
    Mismatch(counter.unwrap_or_else(Counter::noop))
}

impl Mismatch {
    pub(super) fn count(&self) {
        foreign::call(|| self.0.increment(1));
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mismatch").finish_non_exhaustive()
    }
}

/// Adds evaluations of a flag with one outcome. A flag without variants has the variants `on` and
/// `off`, as in the semantic conventions of OpenTelemetry.
pub(super) fn evaluated(flag: &str, outcome: &Outcome, count: u64) {
    let variant = outcome.variant.unwrap_or(if outcome.on { "on" } else { "off" });
    let (flag, reason) = (flag.to_owned(), outcome.reason.as_str());
    foreign::call(|| {
        counter!(EVALUATIONS, "flag" => flag, "variant" => variant, "reason" => reason)
            .increment(count);
    });
}

/// Describes the metrics, for exporters that pass the descriptions on.
pub(super) fn describe() {
    foreign::call(|| {
        describe_counter!(EVALUATIONS, "Evaluations, by flag, variant and reason");
    });
    foreign::call(|| {
        describe_counter!(FAILURES, "Failures of a source, by kind");
    });
    foreign::call(|| {
        describe_counter!(REFUSED, "Flags whose new value was refused");
    });
    foreign::call(|| {
        describe_counter!(
            GENERATIONS,
            "Generations published, by the reason for them and its source"
        );
    });
    foreign::call(|| {
        describe_gauge!(STATUS, "1 for the status that a source has, 0 for the others");
    });
    foreign::call(|| {
        describe_gauge!(CONFIRMED, "The Unix time at which a source last confirmed its state");
    });
    foreign::call(|| {
        describe_counter!(
            MISMATCHES,
            "Evaluations for another type than that of the value of the flag"
        );
    });
    foreign::call(|| {
        describe_counter!(WARNED, "Values with another effect than expected, by kind");
    });
    foreign::call(|| {
        describe_gauge!(WARNINGS, "Values of a source with another effect than expected");
    });
    foreign::call(|| {
        describe_gauge!(FLAGS, "The number of flags that a source lists");
    });
}

/// Reports to the recorder that the program has installed, if any. A recorder that panics loses the
/// metric at which it panics.
pub(super) fn record(untold: &Untold, health: &Health, now: SystemTime) {
    for &(source, kind) in &untold.failures {
        foreign::call(|| counter!(FAILURES, "source" => source, "kind" => kind).increment(1));
    }
    for &(source, flags) in &untold.refused {
        let flags = u64::try_from(flags).unwrap_or(u64::MAX);
        foreign::call(|| counter!(REFUSED, "source" => source).increment(flags));
    }
    for &(source, kind) in &untold.warnings {
        foreign::call(|| counter!(WARNED, "source" => source, "kind" => kind).increment(1));
    }
    for cause in &untold.generations {
        let (source, cause) = (cause.source_name(), cause.as_str());
        foreign::call(|| counter!(GENERATIONS, "source" => source, "cause" => cause).increment(1));
    }
    health.sources.iter().for_each(|source| record_source(source, now));
}

fn record_source(source: &SourceHealth, now: SystemTime) {
    let name = source.name;
    for status in [Status::NotReady, Status::Ready, Status::Error, Status::Stopped] {
        let is = f64::from(u8::from(source.status == status));
        foreign::call(|| gauge!(STATUS, "source" => name, "status" => status.as_str()).set(is));
    }
    // A time instead of an age, which would have to be set again and again while nothing happens.
    let confirmed =
        source.age.and_then(|age| now.checked_sub(age)?.duration_since(UNIX_EPOCH).ok());
    let confirmed = confirmed.as_ref().map_or(0.0, Duration::as_secs_f64);
    foreign::call(|| gauge!(CONFIRMED, "source" => name).set(confirmed));
    let flags = f64::from(u32::try_from(source.flags).unwrap_or(u32::MAX));
    foreign::call(|| gauge!(FLAGS, "source" => name).set(flags));
    let warnings = f64::from(u32::try_from(source.warnings).unwrap_or(u32::MAX));
    foreign::call(|| gauge!(WARNINGS, "source" => name).set(warnings));
}
