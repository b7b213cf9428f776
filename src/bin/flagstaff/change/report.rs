//! The report on changed flags.

use flagstaff::source::RedisHandle;
use serde_json::json;

use super::{effect::Effect, wait::Waited};
use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
    place,
    session::Session,
};

/// Prints the flags of the file after the change.
pub(super) fn report_file(
    Session { place, output }: &Session,
    effects: &[Effect],
    is_dry_run: bool,
) -> Result<(), Failure> {
    let rows = effects.iter().map(|effect| {
        let mut row = effect.row(None, is_dry_run);
        row.json["place"] = json!(place.name());
        row
    });
    let rows: Vec<_> = rows.collect();
    if output.is_json() {
        return output.listing(Listing { name: "changes", columns: &[], rows, empty: "" });
    }
    print(output, rows)
}

/// Prints the flags as they are then, for programs with the store and what the instances have confirmed.
pub(super) fn report_stored<'a>(
    Session { place, output }: &Session,
    redis: &RedisHandle,
    effects: impl Iterator<Item = (&'a Effect, Option<u64>)>,
    waited: Option<&Waited>,
    is_dry_run: bool,
) -> Result<(), Failure> {
    let rows: Vec<_> = effects.map(|(effect, revision)| effect.row(revision, is_dry_run)).collect();
    if output.is_json() {
        let store = place::store_json(redis);
        let waited = waited.map(Waited::json);
        let rows = rows.into_iter().map(|mut row| {
            row.json["place"] = json!(place.name());
            row.json["store"] = store.clone();
            row.json["wait"] = json!(waited);
            row
        });
        let rows = rows.collect();
        return output.listing(Listing { name: "changes", columns: &[], rows, empty: "" });
    }
    print(output, rows)
}

/// Prints the cells of each row as a line.
fn print(output: &Output, rows: Vec<Row>) -> Result<(), Failure> {
    let lines: String = rows.into_iter().map(|Row { cells, .. }| cells.join(" ") + "\n").collect();
    output.write(&lines)
}
