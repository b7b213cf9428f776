//! The report on changed flags.

use serde_json::json;

use super::effect::Effect;
use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
    session::Session,
};

/// Prints the flags of the file as they are then.
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

/// Prints the cells of each row as a line.
pub(super) fn print(output: &Output, rows: Vec<Row>) -> Result<(), Failure> {
    let lines: String = rows.into_iter().map(|Row { cells, .. }| cells.join(" ") + "\n").collect();
    output.write(&lines)
}
