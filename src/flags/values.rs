//! Typed evaluations: the same evaluation, read as different types.

use std::any::type_name;

use serde::de::DeserializeOwned;

use super::{
    Flags, RequestFlags, Snapshot,
    content::Content,
    observed::{Question, Seen},
};
use crate::{
    eval::{Decision, Evaluation, Served},
    model::{Answer, Cause, Context, FlagKey},
    observe::FlagType,
};

/// The type that a caller expects, for hooks and for the log.
pub(super) type Expected = (FlagType, &'static str);

const STRING: Expected = (FlagType::String, "string");
const INTEGER: Expected = (FlagType::Integer, "integer");
const FLOAT: Expected = (FlagType::Float, "float");
pub(super) const VARIANT: Expected = (FlagType::Variant, "variant");

impl Snapshot {
    /// Evaluates the flag as a boolean for `context`, with the reason and the source.
    ///
    /// The value is `default` if no source has the flag, and `false` if the flag is off. A flag is
    /// off if a step turns it off, or if the variant that is served [counts as
    /// off](crate::definition::Variants::counts_as_off).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{answer::ErrorCode, Context, Flags, Memory, Reason};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
    /// let (snapshot, ana) = (flags.snapshot(), Context::user("ana"));
    ///
    /// let beta = snapshot.boolean("beta", &ana, true);
    /// let unknown = snapshot.boolean("baeta", &ana, true);
    ///
    /// assert_eq!((beta.value, beta.reason), (false, Reason::Disabled));
    /// assert_eq!((unknown.value, unknown.error_code), (true, Some(ErrorCode::FlagNotFound)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn boolean(&self, key: impl FlagKey, context: &Context<'_>, default: bool) -> Answer<bool> {
        match &self.observed {
            None => self.boolean_unobserved(&key, context, default),
            Some(observed) => self.boolean_observed(observed, &key, context, default),
        }
    }

    #[inline(always)]
    fn boolean_unobserved(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
        default: bool,
    ) -> Answer<bool> {
        match self.evaluate(key, context, &mut ()) {
            Some(evaluation) => self.gate(&evaluation, context),
            None => Answer::new(default, self.absence(key.as_str()), None),
        }
    }

    /// Returns the name of the variant that `context` is served; `default` if no source has the
    /// flag, or if the flag has no variants.
    ///
    /// While the flag is off, returns its [off variant](crate::Definition::off_variant), or else
    /// `default`.
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
        self.named_variant(&key, context).unwrap_or(default)
    }

    /// Evaluates the flag as a string for `context`, borrowed from this snapshot; `default` if no
    /// source has the flag, or if its value has another type.
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
        self.read(&key, context, STRING, Content::string).unwrap_or(default)
    }

    /// Evaluates the flag as an integer for `context`; `default` if no source has the flag, or if
    /// its value has another type.
    ///
    /// A number with decimals whose value is whole, such as `3.0`, is an integer: JSON has one kind
    /// of number.
    #[inline]
    pub fn integer(&self, key: impl FlagKey, context: &Context<'_>, default: i64) -> Answer<i64> {
        self.read(&key, context, INTEGER, Content::integer).unwrap_or(default)
    }

    /// Evaluates the flag as a number for `context`, integers included; `default` if no source has
    /// the flag, or if its value has another type.
    #[inline]
    pub fn float(&self, key: impl FlagKey, context: &Context<'_>, default: f64) -> Answer<f64> {
        self.read(&key, context, FLOAT, Content::float).unwrap_or(default)
    }

    /// Evaluates the flag as any type that can be deserialized for `context`; `default` if no
    /// source has the flag, or if its value does not fit the type.
    ///
    /// The value is deserialized at each call. For strings and numbers, [`string`](Self::string),
    /// [`integer`](Self::integer) and [`float`](Self::float) cost less.
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
        self.read(&key, context, (FlagType::Value, type_name::<T>()), Content::deserialize)
            .unwrap_or(default)
    }

    /// Evaluates to the name of the variant that is served, if the flag has variants.
    #[inline]
    fn named_variant(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
    ) -> Answer<Option<&'static str>> {
        self.read(key, context, VARIANT, Content::variant)
    }

    /// Evaluates a flag, and reads its content with `read`. The answer has no value if `read` returns none,
    /// or if no source has the flag.
    #[inline]
    fn read<'a, T>(
        &'a self,
        key: &impl FlagKey,
        context: &Context<'_>,
        expected: Expected,
        read: impl FnOnce(Content<'a>) -> Option<T>,
    ) -> Answer<Option<T>> {
        self.read_as(key, context, expected, read, |answer| answer)
    }

    /// Answers with what `finish` makes of the answer of [`read`](Self::read).
    #[inline]
    pub(super) fn read_as<'a, T, A>(
        &'a self,
        key: &impl FlagKey,
        context: &Context<'_>,
        expected: Expected,
        read: impl FnOnce(Content<'a>) -> Option<T>,
        finish: impl FnOnce(Answer<Option<T>>) -> Answer<Option<A>>,
    ) -> Answer<Option<A>> {
        let Some(observed) = &self.observed else {
            return finish(self.read_unobserved(key, context, expected, read));
        };
        let question = Question { key, flag_type: expected.0, found: self.find(key) };
        self.observed(observed, &question, context, |asked| {
            let Some((evaluation, served)) = asked else {
                let answer = Answer::new(None, self.absence(key.as_str()), None);
                return Seen { answer: finish(answer), on: false, content: Content::Nothing };
            };
            let mismatch = |content: Content<'_>| {
                self.mismatches.note(key.as_str(), expected.1, content.found());
            };
            let answer = finish(self.content(&evaluation, served, read, mismatch));
            match answer.value.is_some() {
                true => {
                    let content = Content::of(&evaluation, served);
                    Seen { answer, on: served.on, content }
                }
                // The caller's default is served.
                false => Seen { answer, on: false, content: Content::Nothing },
            }
        })
    }

    /// Evaluates a flag, and reads its content with `read`, without an observer.
    #[inline(always)]
    pub(super) fn read_unobserved<'a, T>(
        &'a self,
        key: &impl FlagKey,
        context: &Context<'_>,
        expected: Expected,
        read: impl FnOnce(Content<'a>) -> Option<T>,
    ) -> Answer<Option<T>> {
        match self.evaluate(key, context, &mut ()) {
            Some(evaluation) => {
                let served = evaluation.served(context, &mut ());
                let mismatch = |content: Content<'_>| {
                    self.mismatches.note(key.as_str(), expected.1, content.found());
                };
                self.content(&evaluation, served, read, mismatch)
            }
            None => Answer::new(None, self.absence(key.as_str()), None),
        }
    }

    #[inline(always)]
    fn content<'a, T>(
        &self,
        evaluation: &Evaluation<'a>,
        served: Served<'a>,
        read: impl FnOnce(Content<'a>) -> Option<T>,
        mismatch: impl FnOnce(Content<'a>),
    ) -> Answer<Option<T>> {
        let (content, decision) = (Content::of(evaluation, served), served.decision);
        let value = read(content);
        // Nothing of another type is served either.
        if value.is_some() || matches!(content, Content::Nothing) {
            let variant = value.as_ref().and(content.variant());
            return Answer { variant, ..self.answer(value, decision) };
        }
        mismatch(content);
        // The answer is built here and not beside the report: a call that returns it would put each
        // answer into memory (bench W3).
        self.answer(None, Decision { cause: Cause::TypeMismatch, stale: false, ..decision })
    }
}

impl Flags {
    /// Evaluates the flag as a boolean for `context`, with the reason and the source. The value is
    /// `default` if no source has the flag, or if the flag's value is not a boolean. See [`Snapshot::boolean`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, answer::ErrorCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
    /// let ana = Context::user("ana");
    ///
    /// let beta = flags.boolean("beta", &ana, true);
    /// let unknown = flags.boolean("no_such_flag", &ana, true);
    ///
    /// assert_eq!((beta.value, beta.source), (false, Some("memory")));
    /// assert_eq!((unknown.value, unknown.error_code), (true, Some(ErrorCode::FlagNotFound)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn boolean(&self, key: impl FlagKey, context: &Context<'_>, default: bool) -> Answer<bool> {
        self.cell.ask(
            |snapshot| snapshot.boolean_unobserved(&key, context, default),
            |snapshot| snapshot.boolean(&key, context, default),
        )
    }

    /// Returns the name of the variant that `context` is served; `default` if no source has the
    /// flag, or if the flag has no variants. See [`Snapshot::variant`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let prices = Definition::new().variants([("control", 50), ("higher_price", 50)]);
    /// # let flags = Flags::builder().source(Memory::new().with("pricing_page", prices)).start().await?;
    /// let ana = Context::user("ana");
    ///
    /// assert_eq!(flags.variant("pricing_page", &ana, "control").value, "higher_price");
    /// assert_eq!(flags.variant("no_such_flag", &ana, "control").value, "control");
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn variant<'d>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &'d str,
    ) -> Answer<&'d str> {
        self.typed(&key, context, VARIANT, |content| content.variant()).unwrap_or(default)
    }

    /// Evaluates the flag as a string for `context`; `default` if no source has the flag, or if its
    /// value has another type.
    ///
    /// The string is a copy. [`Snapshot::string`] and [`RequestFlags::string`] borrow it.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, answer::ErrorCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("banner", Definition::new().value("20 % off"));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let ana = Context::user("ana");
    ///
    /// let banner = flags.string("banner", &ana, "Welcome");
    /// let number = flags.integer("banner", &ana, 0);
    ///
    /// assert_eq!(banner.value, "20 % off");
    /// assert_eq!((number.value, number.error_code), (0, Some(ErrorCode::TypeMismatch)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn string(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &str,
    ) -> Answer<String> {
        let string = |content: Content<'_>| content.string().map(str::to_owned);
        let answer = self.typed(&key, context, STRING, string);
        answer.map(|value| value.unwrap_or_else(|| default.to_owned()))
    }

    /// Evaluates the flag as an integer for `context`; `default` if no source has the flag, or if
    /// its value has another type.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, answer::ErrorCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("max_upload_mb", Definition::new().value(50));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let ana = Context::user("ana");
    ///
    /// let limit = flags.integer("max_upload_mb", &ana, 10);
    /// let unknown = flags.integer("no_such_flag", &ana, 10);
    ///
    /// assert_eq!(limit.value, 50);
    /// assert_eq!((unknown.value, unknown.error_code), (10, Some(ErrorCode::FlagNotFound)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn integer(&self, key: impl FlagKey, context: &Context<'_>, default: i64) -> Answer<i64> {
        self.typed(&key, context, INTEGER, |content| content.integer()).unwrap_or(default)
    }

    /// Evaluates the flag as a number for `context`, integers included; `default` if no source has
    /// the flag, or if its value has another type.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, answer::ErrorCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("boost", Definition::new().value(1.5));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let ana = Context::user("ana");
    ///
    /// let boost = flags.float("boost", &ana, 1.0);
    /// let unknown = flags.float("no_such_flag", &ana, 1.0);
    ///
    /// assert_eq!(boost.value, 1.5);
    /// assert_eq!((unknown.value, unknown.error_code), (1.0, Some(ErrorCode::FlagNotFound)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn float(&self, key: impl FlagKey, context: &Context<'_>, default: f64) -> Answer<f64> {
        self.typed(&key, context, FLOAT, |content| content.float()).unwrap_or(default)
    }

    /// Evaluates the flag as any type that can be deserialized for `context`; `default` if no
    /// source has the flag, or if its value does not fit the type. See [`Snapshot::value`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory, answer::ErrorCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("regions", Definition::new().value(["eu", "us"]));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let ana = Context::user("ana");
    ///
    /// let regions = flags.value("regions", &ana, Vec::<String>::new());
    /// let number = flags.value("regions", &ana, 0_u8);
    ///
    /// assert_eq!(regions.value, ["eu", "us"]);
    /// assert_eq!((number.value, number.error_code), (0, Some(ErrorCode::TypeMismatch)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn value<T: DeserializeOwned>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: T,
    ) -> Answer<T> {
        let value = (FlagType::Value, type_name::<T>());
        self.typed(&key, context, value, |content| content.deserialize()).unwrap_or(default)
    }

    #[inline(always)]
    fn typed<T>(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
        expected: Expected,
        read: impl Fn(Content<'_>) -> Option<T>,
    ) -> Answer<Option<T>> {
        self.cell.ask(
            |snapshot| snapshot.read_unobserved(key, context, expected, &read),
            |snapshot| snapshot.read(key, context, expected, &read),
        )
    }
}

impl RequestFlags {
    /// Evaluates the flag as a boolean for this request, with the reason and the source. The value is
    /// `default` if no source has the flag, or if the flag's value is not a boolean. See [`Snapshot::boolean`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory, answer::ErrorCode};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// let beta = request.boolean("beta", true);
    /// let unknown = request.boolean("no_such_flag", true);
    ///
    /// assert_eq!((beta.value, beta.source), (false, Some("memory")));
    /// assert_eq!((unknown.value, unknown.error_code), (true, Some(ErrorCode::FlagNotFound)));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn boolean(&self, key: impl FlagKey, default: bool) -> Answer<bool> {
        self.ask(|snapshot, context| snapshot.boolean(key, context, default))
    }

    /// Returns the name of the variant that this request is served; `default` if no source has the
    /// flag, or if the flag has no variants. See [`Snapshot::variant`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let prices = Definition::new().variants([("control", 50), ("higher_price", 50)]);
    /// # let flags = Flags::builder().source(Memory::new().with("pricing_page", prices)).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert_eq!(request.variant("pricing_page", "control").value, "higher_price");
    /// assert_eq!(request.variant("no_such_flag", "control").value, "control");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn variant<'d>(&self, key: impl FlagKey, default: &'d str) -> Answer<&'d str> {
        self.ask(|snapshot, context| snapshot.variant(key, context, default))
    }

    /// Evaluates the flag as a string for this request; `default` if no source has the flag, or if
    /// its value has another type. See [`Snapshot::string`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("banner", Definition::new().value("20 % off"));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert_eq!(request.string("banner", "Welcome").value, "20 % off");
    /// assert_eq!(request.string("no_such_flag", "Welcome").value, "Welcome");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn string<'a>(&'a self, key: impl FlagKey, default: &'a str) -> Answer<&'a str> {
        self.ask(|snapshot, context| snapshot.string(key, context, default))
    }

    /// Evaluates the flag as an integer for this request; `default` if no source has the flag, or
    /// if its value has another type.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("max_upload_mb", Definition::new().value(50));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert_eq!(request.integer("max_upload_mb", 10).value, 50);
    /// assert_eq!(request.integer("no_such_flag", 10).value, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn integer(&self, key: impl FlagKey, default: i64) -> Answer<i64> {
        self.ask(|snapshot, context| snapshot.integer(key, context, default))
    }

    /// Evaluates the flag as a number for this request, integers included; `default` if no source
    /// has the flag, or if its value has another type.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("boost", Definition::new().value(1.5));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert_eq!(request.float("boost", 1.0).value, 1.5);
    /// assert_eq!(request.float("no_such_flag", 1.0).value, 1.0);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn float(&self, key: impl FlagKey, default: f64) -> Answer<f64> {
        self.ask(|snapshot, context| snapshot.float(key, context, default))
    }

    /// Evaluates the flag as any type that can be deserialized for this request; `default` if no
    /// source has the flag, or if its value does not fit the type. See [`Snapshot::value`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// # let source = Memory::new().with("regions", Definition::new().value(["eu", "us"]));
    /// # let flags = Flags::builder().source(source).start().await?;
    /// let request = flags.pin(Context::user("ana"));
    ///
    /// assert_eq!(request.value("regions", Vec::<String>::new()).value, ["eu", "us"]);
    /// assert_eq!(request.value("no_such_flag", 0_u8).value, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn value<T: DeserializeOwned>(&self, key: impl FlagKey, default: T) -> Answer<T> {
        self.ask(|snapshot, context| snapshot.value(key, context, default))
    }
}
