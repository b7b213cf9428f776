//! Keys, values, contexts and answers: data only. Nothing here does I/O or reads a clock.

mod active;
mod answer;
mod attributes;
mod bucket_by;
mod condition;
mod constant;
mod context;
mod decimal;
mod definition;
mod definitions;
mod deserialize;
mod entry;
mod field;
mod forced;
mod id;
mod invalid_operand;
mod key;
mod matcher;
mod metadata;
mod moment;
mod names;
mod nearest;
mod operator;
mod percentage;
mod prerequisite;
mod print;
mod resolved;
mod rollout;
mod rule;
mod rules;
mod seldom;
mod serialize;
mod setting;
mod setting_type;
mod settings;
mod stale;
mod state;
mod unit_name;
mod value;
mod value_type;
mod variant;
mod variant_name;
mod warning_kind;
mod weight;

pub use self::{
    active::Active,
    answer::{Answer, Cause, Draw, ErrorCode, Reason},
    bucket_by::BucketBy,
    condition::{Comparison, Condition, Negation, Segment},
    constant::{BooleanConstant, Constant},
    context::Context,
    definition::{Definition, Field, RareSettings},
    definitions::{Definitions, FlagKeys, SharedDefinition, SharedText},
    entry::{Entry, Part},
    id::IntoId,
    invalid_operand::InvalidOperand,
    key::{Flag, FlagKey, FlagName},
    matcher::Case,
    metadata::{Metadata, MetadataValue},
    operator::{OperandKind, Operator, OperatorExample},
    percentage::{InvalidPercentage, Percentage},
    prerequisite::{Prerequisite, RequiredState},
    rollout::{Progress, Rollout, RolloutStatus, Stage},
    rule::{Rule, Serve},
    rules::Rules,
    setting::Setting,
    settings::Effect,
    stale::{InvalidOnStale, OnStale},
    state::FlagState,
    unit_name::UnitName,
    value::{IntoAttribute, Value},
    value_type::OtherType,
    variant::{Variant, Variants},
    warning_kind::WarningKind,
    weight::{InvalidWeight, Weight},
};
/// The parts of definitions, which the public module `definition` has with and without parsers.
pub(crate) mod parts {
    #[doc(inline)]
    pub use super::{
        Active, BooleanConstant, BucketBy, Case, Comparison, Condition, Constant, Definition,
        Definitions, Effect, Entry, Field, FlagKeys, InvalidOnStale, InvalidOperand,
        InvalidPercentage, InvalidWeight, Metadata, MetadataValue, Negation, OnStale, OperandKind,
        Operator, OperatorExample, OtherType, Part, Percentage, Prerequisite, Progress,
        RareSettings, RequiredState, Rollout, RolloutStatus, Rule, Rules, Segment, Serve, Setting,
        SharedDefinition, SharedText, Stage, Variant, Variants, Weight,
    };
}

pub(crate) use self::value_type::is_exact;
#[cfg(feature = "testing")]
pub(crate) use self::variant_name::keep_variant_name;
pub(crate) use self::{
    attributes::Attributes,
    condition::Attribute,
    definition::{Row, row},
    key::sealed::Resolve,
    matcher::{Matcher, NameSet, Scalar, hash_text},
    moment::Moment,
    names::{Names, Slot, hash_name},
    nearest::nearest,
    prerequisite::MOST_PREREQUISITES,
    print::{Print, Printed},
    resolved::Resolved,
    settings::settings,
    variant_name::{TooManyVariantNames, variant_name, variant_name_at},
};
#[cfg(feature = "definition")]
pub(crate) use self::{
    entry::OFF_WORDS,
    invalid_operand::Mistake,
    variant_name::{DEFAULT, MOST_VARIANT_NAMES},
};
