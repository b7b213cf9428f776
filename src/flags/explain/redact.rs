//! Explanations without personal data.

use super::{
    Asker, Check, ComparisonTrace, ConditionTrace, DrawTrace, Explanation, NearMiss, Shown,
};
use crate::model::{Attribute, Cause, ErrorCode, Field, Reason};

impl Explanation {
    /// Removes all values of the context, and the operands that conditions compare them with. The
    /// names of attributes stay, and so do buckets, which many users share.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Percentage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let beta = Definition::new().percentage(Percentage::whole(10)?).allowed_users(["ana"]);
    /// let flags = Flags::builder().source(Memory::new().with("beta", beta)).start().await?;
    ///
    /// let explanation = flags.explain("beta", &Context::user("ana")).redact_all();
    ///
    /// assert!(!explanation.to_string().contains("ana"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redact_all(mut self) -> Self {
        self.redact_if(|_| true);
        self
    }

    /// Removes the values of these attributes, such as `email` or `company.name`, and the operands
    /// that conditions compare them with. The user is `targeting_key`, and the groups are `groups`.
    /// Values at a path below or above one of these are removed too.
    #[must_use]
    pub fn redact<N: AsRef<str>>(mut self, attributes: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<N> = attributes.into_iter().collect();
        self.redact_if(|path| {
            let is_related =
                |name: &N| is_within(path, name.as_ref()) || is_within(name.as_ref(), path);
            names.iter().any(is_related)
        });
        self
    }

    /// Removes the answer and everything that follows from it, since a source has an entry that cannot be
    /// read. `because` replaces the reason. The other sources and their settings stay.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, Reason};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await?;
    ///
    /// let explanation = flags.explain("beta", &Context::anonymous());
    /// let explanation = explanation.without_answer("the stored value is not UTF-8");
    ///
    /// assert_eq!(explanation.answer.reason, Reason::Error);
    /// assert!(explanation.steps.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_answer(mut self, because: impl Into<String>) -> Self {
        let answer = &mut self.answer;
        (answer.value, answer.reason, answer.cause) = (false, Reason::Error, Cause::Rejected);
        (answer.error_code, answer.source, answer.variant) =
            (Some(ErrorCode::ParseError), None, None);
        self.because = because.into();
        self.place = None;
        self.served = None;
        self.near_miss = None;
        self.steps.clear();
        let unreadable = self.sources.iter().filter(|source| source.problem.is_some());
        let unreadable: Vec<_> = unreadable.map(|source| source.source).collect();
        self.settings.retain(|setting| !unreadable.contains(&setting.source));
        self
    }

    fn redact_if(&mut self, is_secret: impl Fn(&str) -> bool) {
        let is_secret = &is_secret;
        self.asked_by.redact(is_secret);
        if let Some(NearMiss { comparison, .. }) = &mut self.near_miss {
            comparison.redact(is_secret);
        }
        for step in &mut self.steps {
            step.check.redact(is_secret);
        }
    }
}

/// Returns true if a path equals the other one, or continues it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Shown {
    fn hide(&mut self) {
        if let Self::Value(_) = self {
            *self = Self::Redacted;
        }
    }
}

impl Asker {
    fn redact(&mut self, is_secret: &dyn Fn(&str) -> bool) {
        if is_secret(Attribute::TARGETING_KEY) {
            self.targeting_key.hide();
        }
        if is_secret(Attribute::GROUPS) {
            self.groups.hide();
        }
        for (name, value) in &mut self.attributes {
            if is_secret(name) {
                value.hide();
            }
        }
    }
}

impl Check {
    fn redact(&mut self, is_secret: &dyn Fn(&str) -> bool) {
        match self {
            Self::List { field, found: Some(found), .. } => {
                let path = match field {
                    Field::DeniedGroups | Field::AllowedGroups => Attribute::GROUPS,
                    _ => Attribute::TARGETING_KEY,
                };
                if is_secret(path) {
                    found.hide();
                }
            }
            Self::Rules(rules) => {
                for rule in rules {
                    for condition in [&mut rule.when, &mut rule.unless].into_iter().flatten() {
                        condition.redact(is_secret);
                    }
                    redact_draw(&mut rule.draw, is_secret);
                }
            }
            Self::Percentage { draw, .. } => redact_draw(draw, is_secret),
            Self::Variants { traffic_draw, draw, .. } => {
                redact_draw(traffic_draw, is_secret);
                redact_draw(draw, is_secret);
            }
            Self::List { .. }
            | Self::Test
            | Self::Stale(_)
            | Self::Enabled(_)
            | Self::Active(_)
            | Self::Requires(_)
            | Self::Value(_)
            | Self::Serve { .. } => {}
        }
    }
}

impl ConditionTrace {
    fn redact(&mut self, is_secret: &dyn Fn(&str) -> bool) {
        match self {
            Self::Compare(comparison) => comparison.redact(is_secret),
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.redact(is_secret);
                }
            }
            Self::Not(part) | Self::Unless(part) | Self::Segment(_, part) => {
                part.0.redact(is_secret);
            }
            // The answer of a flag contains no value of the context.
            Self::Flag(_) => {}
        }
    }
}

impl ComparisonTrace {
    fn redact(&mut self, is_secret: &dyn Fn(&str) -> bool) {
        if is_secret(&self.attribute) {
            self.seen.hide();
            self.operand.hide();
        }
    }
}

fn redact_draw(draw: &mut Option<DrawTrace>, is_secret: &dyn Fn(&str) -> bool) {
    if let Some(draw) = draw
        && is_secret(&draw.by)
    {
        draw.seen.hide();
    }
}
