//! The log of what happens to flags and sources.

use crate::{
    flags::{Change, ChangeCause, Event, Warning},
    foreign::{error, info, warn},
};

/// Writes an event to the log of the program.
pub(super) fn log(event: &Event) {
    match event {
        Event::Changed { cause, changes, .. } => {
            let source = cause.source_name();
            for change in changes {
                let Change { key, before, after, fields } = change;
                // Without the fields, `before=on after=on` would hide the change.
                let names: Vec<_> = fields.iter().map(ToString::to_string).collect();
                let fields = (!names.is_empty()).then(|| names.join(","));
                match cause {
                    ChangeCause::Source(_) if change.is_silent() => {
                        info!(flag = key, %before, %after, source, "flag is set by other sources");
                    }
                    ChangeCause::Source(_) => {
                        info!(flag = key, %before, %after, fields, source, "flag changed");
                    }
                    // The named source was lost or came back, and has not made the change.
                    ChangeCause::Time => {
                        info!(flag = key, %before, %after, fields, source, "flag changed at its time");
                    }
                    ChangeCause::SourceLost(_) => {
                        info!(flag = key, %before, %after, fields, source, "flag changed, its source is lost");
                    }
                    ChangeCause::SourceBack(_) => {
                        info!(flag = key, %before, %after, fields, source, "flag changed, its source is back");
                    }
                }
            }
        }
        Event::Failed { source, kind, .. } => {
            let source = source.name;
            error!(source, kind, error = %event, "source failed, keeping its last good flags");
        }
        Event::Recovered { source } => info!(source = source.name, "source is healthy again"),
        Event::Warned { warnings } => {
            for Warning { source, flag, kind, message, .. } in warnings {
                let (source, kind) = (source.name, kind.as_str());
                warn!(
                    flag,
                    source,
                    kind,
                    problem = message,
                    "a value has another effect than expected"
                );
            }
        }
        Event::Missed(_) => {}
    }
}
