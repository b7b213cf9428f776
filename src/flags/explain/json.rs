//! Explanations for programs.

use serde_json::{Map, Value as Json, json};

use super::{
    ArmTrace, Asker, Check, ComparisonTrace, ConditionTrace, DrawTrace, Explanation, NearMiss,
    RequirementTrace, RuleTrace, Said, SettingTrace, Shown, SourceTrace, Step,
};
use crate::{
    backend::Provenance,
    definition::Encode,
    model::{Answer, Case, Field, Progress},
};

impl Explanation {
    /// The explanation as a JSON object. Its members are those of this type in camel case and in its
    /// order, with `flag` for the key; one that does not apply is missing. Reasons, error codes,
    /// settings and operators are spelled as they are everywhere.
    ///
    /// A value of the context is `{"value": …}`, `{"missing": true}` or `{"redacted": true}`, and
    /// percentages are numbers from 0 to 100.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let beta = Definition::new().allowed_users(["ana"]);
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// let json = flags.explain("beta", &Context::user("bob")).to_json();
    ///
    /// assert_eq!(json["answer"]["value"], true);
    /// assert_eq!(json["answer"]["reason"], "STATIC");
    /// assert_eq!(json["steps"][0]["step"], "enabled");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Map<String, Json> {
        let Self { key, generation, answer, because, place, served, near_miss, similar, .. } = self;
        let Self { asked_by, sources, settings, steps, .. } = self;
        object([
            ("flag", Some(key.encode())),
            ("generation", Some((*generation).into())),
            ("answer", Some(answer.encode())),
            ("because", Some(because.encode())),
            ("place", encoded(place)),
            ("served", encoded(served)),
            ("nearMiss", encoded(near_miss)),
            ("similar", encoded(similar)),
            ("askedBy", Some(asked_by.encode())),
            ("sources", Some(sources.encode())),
            ("settings", Some(settings.encode())),
            ("steps", Some(steps.encode())),
        ])
    }
}

/// Without the members that there are not.
fn object<const LEN: usize>(members: [(&str, Option<Json>); LEN]) -> Map<String, Json> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn encoded(value: &Option<impl Encode>) -> Option<Json> {
    value.as_ref().map(Encode::encode)
}

fn text(text: &str) -> Option<Json> {
    Some(text.into())
}

impl<T: Encode> Encode for Answer<T> {
    fn encode(&self) -> Json {
        let members = [
            ("value", Some(self.value.encode())),
            ("reason", text(self.reason.as_str())),
            ("cause", text(self.cause.as_str())),
            ("errorCode", self.error_code.and_then(|code| text(code.as_str()))),
            ("source", self.source.and_then(text)),
            ("variant", self.variant.and_then(text)),
        ];
        object(members).into()
    }
}

impl Encode for NearMiss {
    fn encode(&self) -> Json {
        let members = [
            ("rule", Some(self.rule.into())),
            ("name", encoded(&self.name)),
            ("serve", Some(self.serve.encode())),
            ("comparison", Some(self.comparison.encode())),
        ];
        object(members).into()
    }
}

impl Encode for Shown {
    fn encode(&self) -> Json {
        match self {
            Self::Missing => json!({ "missing": true }),
            Self::Value(value) => json!({ "value": value.encode() }),
            Self::Redacted => json!({ "redacted": true }),
        }
    }
}

impl Encode for Asker {
    fn encode(&self) -> Json {
        let attributes = self.attributes.iter().map(|(name, value)| (name.clone(), value.encode()));
        let attributes: Map<_, _> = attributes.collect();
        json!({
            "targetingKey": self.targeting_key.encode(),
            "groups": self.groups.encode(),
            "attributes": attributes,
        })
    }
}

impl Encode for SourceTrace {
    fn encode(&self) -> Json {
        let members = [
            ("source", text(self.source)),
            ("says", encoded(&self.says)),
            ("place", encoded(&self.place)),
            ("provenance", self.provenance.as_deref().map(provenance)),
        ];
        object(members).into()
    }
}

fn provenance(provenance: &Provenance) -> Json {
    let members = [
        ("by", encoded(&provenance.author)),
        ("reason", encoded(&provenance.reason)),
        ("at", encoded(&provenance.at)),
        ("expiresAt", encoded(&provenance.expires_at)),
    ];
    object(members).into()
}

impl Encode for Said {
    fn encode(&self) -> Json {
        match self {
            Self::Forced(on) => json!({ "forced": on }),
            Self::Text(text) => json!({ "forced": **text }),
            Self::Settings(fields) => {
                json!({ "settings": fields.iter().map(|field| field.as_str()).collect::<Vec<_>>() })
            }
        }
    }
}

impl Encode for SettingTrace {
    fn encode(&self) -> Json {
        let members = [
            ("field", text(self.field.as_str())),
            ("value", Some(self.value.as_ref().map_or(Json::Null, Encode::encode))),
            ("source", text(self.source)),
            ("place", encoded(&self.place)),
        ];
        object(members).into()
    }
}

impl Encode for Step {
    fn encode(&self) -> Json {
        let step = match &self.check {
            Check::Test => "test",
            Check::Stale(_) => Field::OnStale.as_str(),
            Check::Enabled(_) => Field::Enabled.as_str(),
            Check::Active(_) => Field::Active.as_str(),
            Check::Requires(_) => Field::Requires.as_str(),
            Check::List { field, .. } => field.as_str(),
            Check::Rules(_) => Field::Rules.as_str(),
            Check::Percentage { .. } => Field::Percentage.as_str(),
            Check::Variants { .. } => Field::Variants.as_str(),
        };
        let members = object([("step", text(step)), ("outcome", text(self.outcome.as_str()))]);
        members.into_iter().chain(self.check.members()).collect::<Map<_, _>>().into()
    }
}

impl Check {
    fn members(&self) -> Map<String, Json> {
        match self {
            Self::Test => Map::new(),
            Self::Stale(on_stale) => object([("onStale", Some(on_stale.encode()))]),
            Self::Enabled(enabled) => object([("enabled", Some(enabled.encode()))]),
            Self::Active(is_active) => object([("isActive", Some(is_active.encode()))]),
            Self::Requires(required) => object([("flags", Some(required.encode()))]),
            Self::List { names, found, .. } => {
                object([("names", Some((*names).into())), ("found", encoded(found))])
            }
            Self::Rules(rules) => object([("rules", Some(rules.encode()))]),
            Self::Percentage { percentage, rollout, draw } => object([
                ("percentage", Some(percentage.encode())),
                ("rollout", encoded(rollout)),
                ("draw", encoded(draw)),
            ]),
            Self::Variants { served, arms, traffic, traffic_draw, draw } => object([
                ("served", text(served)),
                ("arms", Some(arms.encode())),
                ("traffic", Some(traffic.encode())),
                ("trafficDraw", encoded(traffic_draw)),
                ("draw", encoded(draw)),
            ]),
        }
    }
}

impl Encode for Progress {
    fn encode(&self) -> Json {
        let members = [
            ("stage", Some(self.stage.into())),
            ("stages", Some(self.stages.into())),
            ("status", text(self.status.as_str())),
            ("since", encoded(&self.since)),
            ("due", encoded(&self.due)),
        ];
        object(members).into()
    }
}

impl Encode for RequirementTrace {
    fn encode(&self) -> Json {
        let members = [
            ("flag", Some(self.flag.encode())),
            ("variant", encoded(&self.variant)),
            ("isMet", Some(self.is_met.encode())),
            ("answer", encoded(&self.answer)),
        ];
        object(members).into()
    }
}

impl Encode for RuleTrace {
    fn encode(&self) -> Json {
        let members = [
            ("rule", Some(self.index.into())),
            ("name", encoded(&self.name)),
            ("place", encoded(&self.place)),
            ("serve", Some(self.serve.encode())),
            ("matches", encoded(&self.matches)),
            ("when", encoded(&self.when)),
            ("draw", encoded(&self.draw)),
        ];
        object(members).into()
    }
}

impl Encode for ConditionTrace {
    fn encode(&self) -> Json {
        match self {
            Self::Compare(comparison) => comparison.encode(),
            Self::All(parts) => json!({ "all": parts.encode() }),
            Self::Any(parts) => json!({ "any": parts.encode() }),
            Self::Not(part) => json!({ "not": part.encode() }),
            Self::Segment(name, part) => json!({ "segment": name, "when": part.encode() }),
        }
    }
}

impl Encode for ComparisonTrace {
    fn encode(&self) -> Json {
        let members = [
            ("attribute", Some(self.attribute.encode())),
            ("operator", text(self.operator.as_str())),
            ("operand", Some(self.operand.encode())),
            ("ignoreCase", (self.case == Case::Ignored).then_some(true.into())),
            ("seen", Some(self.seen.encode())),
            ("holds", Some(self.holds.map_or(Json::Null, Into::into))),
            ("wasNeeded", Some(self.was_needed.encode())),
        ];
        object(members).into()
    }
}

impl Encode for DrawTrace {
    fn encode(&self) -> Json {
        let members = [
            ("by", Some(self.by.encode())),
            ("seen", Some(self.seen.encode())),
            ("bucket", encoded(&self.bucket)),
            ("threshold", Some(self.threshold.encode())),
            ("isInside", Some(self.is_inside.encode())),
        ];
        object(members).into()
    }
}

impl Encode for ArmTrace {
    fn encode(&self) -> Json {
        json!({
            "name": self.name,
            "weight": self.weight.encode(),
            "from": self.from.encode(),
            "until": self.until.encode(),
        })
    }
}
