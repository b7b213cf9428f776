//! Short summaries of settings.

use std::time::{Duration, SystemTime};

use super::Shown;
use crate::model::{
    Active, BucketBy, Constant, Definition, Field, Metadata, OnStale, Percentage, Prerequisite,
    RequiredState, Rollout, Row, Rules, Variant, Variants, Weight, row, settings,
};
use crate::text::{count, duration, instant};

/// Returns a summary of a field; `None` if the definition does not set it.
pub(super) fn of(definition: &Definition, field: Field) -> Option<String> {
    (ROWS[field as usize])(definition)
}

macro_rules! rows {
    (
        $(
            $section:ident:
            $(
                $(#[$doc:meta])+
                $field:ident: $type:ty $(= $default:expr)?, $variant:ident $(of $entry:ty)?
                    => $example:literal, $roles:expr;
            )+
        )+
    ) => {
        &[$($(summarize::<row::$variant>,)+)+]
    };
}

/// The summaries of all settings, in the order of [`Field::ALL`].
const ROWS: &[fn(&Definition) -> Option<String>] = settings!(rows);

fn summarize<R: Row<Type: Summary>>(definition: &Definition) -> Option<String> {
    let value = R::of(definition).value()?;
    Some(match R::FIELD.roles().noun {
        // Lists of names are only counted: they are long, and contain personal data.
        Some(noun) => count(definition.entries(R::FIELD), noun),
        None => value.summary(),
    })
}

/// A type of a setting that can be summarized in a few words.
trait Summary {
    fn summary(&self) -> String;
}

macro_rules! displayed {
    ($($type:ty),+) => {
        $(
            impl Summary for $type {
                fn summary(&self) -> String {
                    self.to_string()
                }
            }
        )+
    };
}

displayed!(bool, String, Percentage, BucketBy, OnStale);

impl Summary for Vec<String> {
    fn summary(&self) -> String {
        self.join(", ")
    }
}

impl Summary for SystemTime {
    fn summary(&self) -> String {
        instant(*self)
    }
}

impl Summary for Duration {
    fn summary(&self) -> String {
        duration(*self)
    }
}

impl Summary for Vec<Prerequisite> {
    fn summary(&self) -> String {
        let one = |it: &Prerequisite| match &it.state {
            RequiredState::On => it.flag.clone(),
            RequiredState::Off => format!("{} off", it.flag),
            RequiredState::Variants(names) => format!("{} = {}", it.flag, names.join(" or ")),
        };
        self.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl Summary for Rules {
    fn summary(&self) -> String {
        count(self.len(), "rule")
    }
}

impl Summary for Rollout {
    fn summary(&self) -> String {
        let mut text = count(self.steps().len(), "stage");
        if let Some(start) = self.start.value() {
            text += &format!(", starts {}", instant(*start));
        }
        if let Some(stage) = self.stage.value() {
            text += &format!(", put into stage {stage}");
        }
        if let Some(paused) = self.paused_at.value() {
            text += &format!(", paused at {}", instant(*paused));
        }
        text
    }
}

impl Summary for Active {
    fn summary(&self) -> String {
        let from = self.from.value().map(|from| format!("from {}", instant(*from)));
        let until = self.until.value().map(|until| format!("until {}", instant(*until)));
        from.into_iter().chain(until).collect::<Vec<_>>().join(" ")
    }
}

impl Summary for Variants {
    fn summary(&self) -> String {
        let one = |(name, variant): (&str, &Variant)| {
            let weight = variant.weight.value().copied().unwrap_or(Weight::ZERO);
            format!("{name} {weight}")
        };
        self.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl Summary for Constant {
    fn summary(&self) -> String {
        Shown::Value(self.as_value().clone()).to_string()
    }
}

impl Summary for Metadata {
    fn summary(&self) -> String {
        let facts = self.iter().map(|(name, value)| format!("{name} = {value}"));
        facts.collect::<Vec<_>>().join(", ")
    }
}
