//! Asking for values beyond on and off.

use serde::de::DeserializeOwned;

use super::{FlagKey, Flags, RequestFlags, Snapshot};
use crate::{
    eval::{Arm, Variants, Verdict},
    model::{Answer, Cause, Context, Value},
};

/// What a flag stands for, for one context.
enum Content<'a> {
    /// A flag without variants is on or off.
    Gate(bool),
    /// A variant without a value is its name.
    Name(&'static str),
    Value(&'a Value<'static>),
}

impl<'a> From<&'a Arm> for Content<'a> {
    #[inline]
    fn from(arm: &'a Arm) -> Self {
        match &arm.value {
            None => Self::Name(arm.name),
            Some(value) => Self::Value(value),
        }
    }
}

impl<'a> Content<'a> {
    #[inline]
    fn string(self) -> Option<&'a str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Value(Value::String(text)) => Some(text),
            Self::Gate(_) | Self::Value(_) => None,
        }
    }

    #[inline]
    fn integer(self) -> Option<i64> {
        match self {
            Self::Value(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// JSON does not tell `1.0` from `1`.
    #[inline]
    fn float(self) -> Option<f64> {
        match self {
            Self::Value(Value::Float(number)) => Some(*number),
            Self::Value(Value::Integer(number)) => Some(*number as f64),
            _ => None,
        }
    }

    fn deserialize<T: DeserializeOwned>(self) -> Option<T> {
        match self {
            Self::Gate(on) => T::deserialize(&Value::Bool(on)).ok(),
            Self::Name(name) => T::deserialize(&Value::from(name)).ok(),
            Self::Value(value) => T::deserialize(value).ok(),
        }
    }
}

impl Snapshot {
    /// The name of the variant that `context` is served; `default` if no source knows the flag, or
    /// if it has no variants.
    ///
    /// While the flag is off, that is the variant called `control`, or else the first.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, Reason};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let prices = Definition::new().variants([("control", 50), ("higher_price", 50)]);
    /// let flags = Flags::builder().source(Memory::new().with("pricing_page", prices)).start().await?;
    /// let snapshot = flags.snapshot();
    ///
    /// let answer = snapshot.variant("pricing_page", &Context::user("ana"), "control");
    ///
    /// assert_eq!((answer.value, answer.reason), ("higher_price", Reason::Split));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn variant<'d>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &'d str,
    ) -> Answer<&'d str> {
        self.ask(&key, context, |_, variant| variant).map(|name| name.unwrap_or(default))
    }

    /// The flag's text for `context`, borrowed from this snapshot; `default` if no source knows the
    /// flag, or if its value is something else.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     answer::ErrorCode,
    ///     definition::{Variant, Variants},
    ///     Context, Definition, Flags, Memory,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let banners = Variants::new().with("sale", Variant::new().weight(1).value("20 % off"));
    /// let memory = Memory::new().with("banner", Definition::new().variants(banners));
    /// let flags = Flags::builder().source(memory.with("beta", true)).start().await?;
    /// let (snapshot, ana) = (flags.snapshot(), Context::user("ana"));
    ///
    /// let banner = snapshot.string("banner", &ana, "Welcome");
    /// let beta = snapshot.string("beta", &ana, "Welcome");
    ///
    /// assert_eq!((banner.value, banner.variant), ("20 % off", Some("sale")));
    /// assert_eq!((beta.value, beta.error_code), ("Welcome", Some(ErrorCode::TypeMismatch)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn string<'a>(
        &'a self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &'a str,
    ) -> Answer<&'a str> {
        self.ask(&key, context, |content, _| content.string()).map(|text| text.unwrap_or(default))
    }

    /// The flag's whole number for `context`; `default` if no source knows the flag, or if its value
    /// is something else.
    #[inline]
    pub fn integer(&self, key: impl FlagKey, context: &Context<'_>, default: i64) -> Answer<i64> {
        self.ask(&key, context, |content, _| content.integer())
            .map(|number| number.unwrap_or(default))
    }

    /// The flag's number for `context`, a whole one too; `default` if no source knows the flag, or
    /// if its value is something else.
    #[inline]
    pub fn float(&self, key: impl FlagKey, context: &Context<'_>, default: f64) -> Answer<f64> {
        self.ask(&key, context, |content, _| content.float())
            .map(|number| number.unwrap_or(default))
    }

    /// The flag's value for `context`, as any type that can be deserialized; `default` if no source
    /// knows the flag, or if its value does not fit.
    ///
    /// This goes through the value at each call. Text and numbers cost less by
    /// [`string`](Self::string), [`integer`](Self::integer) and [`float`](Self::float).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     answer::Value,
    ///     definition::{Variant, Variants},
    ///     Context, Definition, Flags, Memory,
    /// };
    ///
    /// #[derive(serde::Deserialize, Default)]
    /// struct Ranking {
    ///     model: String,
    ///     boost: f32,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let new: Value<'_> =
    ///     [("model", Value::from("b")), ("boost", Value::from(1.5))].into_iter().collect();
    /// let variants = Variants::new().with("new", Variant::new().weight(1).value(new));
    /// let memory = Memory::new().with("ranking", Definition::new().variants(variants));
    /// let flags = Flags::builder().source(memory).start().await?;
    ///
    /// let ranking = flags.value("ranking", &Context::user("ana"), Ranking::default()).value;
    ///
    /// assert_eq!((&*ranking.model, ranking.boost), ("b", 1.5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn value<T: DeserializeOwned>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: T,
    ) -> Answer<T> {
        self.read_value(&key, context).map(|value| value.unwrap_or(default))
    }

    fn read_value<T: DeserializeOwned>(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
    ) -> Answer<Option<T>> {
        self.ask(key, context, |content, _| content.deserialize())
    }

    /// What `read` makes of the flag's content; `None` where the default has to be served.
    #[inline]
    fn ask<'a, T>(
        &'a self,
        key: &impl FlagKey,
        context: &Context<'_>,
        read: impl FnOnce(Content<'a>, Option<&'static str>) -> Option<T>,
    ) -> Answer<Option<T>> {
        let Some((verdict, variants)) = self.found(key, context, &mut ()) else {
            return Answer::new(None, Cause::UnknownFlag, None);
        };
        let (content, variant, verdict) = match variants {
            None => (Content::Gate(verdict.on), None, verdict),
            Some(variants) => {
                let (arm, verdict) = variants.choose(verdict, context, &mut ());
                (Content::from(arm), Some(arm.name), verdict)
            }
        };
        match read(content, variant) {
            Some(value) => {
                let mut answer = self.answer(Some(value), verdict);
                answer.variant = variant;
                answer
            }
            None => self.mismatch(verdict),
        }
    }

    /// The value of a variant that is true or false, or whether the flag is on if its variants have
    /// no values.
    pub(super) fn boolean_of(
        &self,
        verdict: Verdict,
        variants: &Variants,
        context: &Context<'_>,
    ) -> Answer<Option<bool>> {
        if !variants.have_values {
            return self.gate(verdict, Some(variants), context).map(Some);
        }
        let (arm, verdict) = variants.choose(verdict, context, &mut ());
        match &arm.value {
            Some(Value::Bool(value)) => self.answer(Some(*value), verdict).with_variant(arm.name),
            _ => self.mismatch(verdict),
        }
    }

    #[cold]
    fn mismatch<T>(&self, verdict: Verdict) -> Answer<Option<T>> {
        self.answer(None, Verdict { cause: Cause::TypeMismatch, stale: false, ..verdict })
    }
}

impl Flags {
    /// The name of the variant that `context` is served; `default` if no source knows the flag, or
    /// if it has no variants. See [`Snapshot::variant`].
    #[inline]
    pub fn variant<'d>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &'d str,
    ) -> Answer<&'d str> {
        self.cell.with(|snapshot| snapshot.variant(&key, context, default))
    }

    /// The flag's text for `context`; `default` if no source knows the flag, or if its value is
    /// something else.
    ///
    /// It is a copy. [`Snapshot::string`] and [`RequestFlags::string`] lend the text.
    #[inline]
    pub fn string(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &str,
    ) -> Answer<String> {
        self.cell.with(|snapshot| snapshot.string(&key, context, default).map(str::to_owned))
    }

    /// The flag's whole number for `context`; `default` if no source knows the flag, or if its value
    /// is something else.
    #[inline]
    pub fn integer(&self, key: impl FlagKey, context: &Context<'_>, default: i64) -> Answer<i64> {
        self.cell.with(|snapshot| snapshot.integer(&key, context, default))
    }

    /// The flag's number for `context`, a whole one too; `default` if no source knows the flag, or
    /// if its value is something else.
    #[inline]
    pub fn float(&self, key: impl FlagKey, context: &Context<'_>, default: f64) -> Answer<f64> {
        self.cell.with(|snapshot| snapshot.float(&key, context, default))
    }

    /// The flag's value for `context`, as any type that can be deserialized; `default` if no source
    /// knows the flag, or if its value does not fit. See [`Snapshot::value`].
    pub fn value<T: DeserializeOwned>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: T,
    ) -> Answer<T> {
        let answer = self.cell.with(|snapshot| snapshot.read_value(&key, context));
        answer.map(|value| value.unwrap_or(default))
    }
}

impl RequestFlags {
    /// The name of the variant that this request is served; `default` if no source knows the flag,
    /// or if it has no variants. See [`Snapshot::variant`].
    #[inline]
    pub fn variant<'d>(&self, key: impl FlagKey, default: &'d str) -> Answer<&'d str> {
        self.ask(|snapshot, context| snapshot.variant(key, context, default))
    }

    /// The flag's text for this request; `default` if no source knows the flag, or if its value is
    /// something else. See [`Snapshot::string`].
    #[inline]
    pub fn string<'a>(&'a self, key: impl FlagKey, default: &'a str) -> Answer<&'a str> {
        self.ask(|snapshot, context| snapshot.string(key, context, default))
    }

    /// The flag's whole number for this request; `default` if no source knows the flag, or if its
    /// value is something else.
    #[inline]
    pub fn integer(&self, key: impl FlagKey, default: i64) -> Answer<i64> {
        self.ask(|snapshot, context| snapshot.integer(key, context, default))
    }

    /// The flag's number for this request, a whole one too; `default` if no source knows the flag,
    /// or if its value is something else.
    #[inline]
    pub fn float(&self, key: impl FlagKey, default: f64) -> Answer<f64> {
        self.ask(|snapshot, context| snapshot.float(key, context, default))
    }

    /// The flag's value for this request, as any type that can be deserialized; `default` if no
    /// source knows the flag, or if its value does not fit. See [`Snapshot::value`].
    pub fn value<T: DeserializeOwned>(&self, key: impl FlagKey, default: T) -> Answer<T> {
        self.ask(|snapshot, context| snapshot.value(key, context, default))
    }
}
