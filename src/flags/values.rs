//! Typed evaluations: the same evaluation, read as different types.

use std::any::type_name;

use serde::de::DeserializeOwned;

use super::{Flags, RequestFlags, Snapshot, mismatch::Found};
use crate::{
    eval::{Arm, Decision, Evaluation, Served},
    model::{Answer, Cause, Context, FlagKey, Value, is_exact},
};

/// The content of a flag for one context.
#[derive(Clone, Copy)]
enum Content<'a> {
    /// On or off, for a flag without variants.
    Gate(bool),
    /// No variant, although the flag has variants.
    Nothing,
    /// The value of a flag that has one value for all users.
    Constant(&'a Value<'static>),
    /// A variant: its value, or its name if it has no value.
    Variant(&'a Arm),
}

impl<'a> Content<'a> {
    #[inline]
    fn variant(self) -> Option<&'static str> {
        match self {
            Self::Gate(_) | Self::Nothing | Self::Constant(_) => None,
            Self::Variant(arm) => Some(arm.name),
        }
    }

    #[inline]
    fn value(self) -> Option<&'a Value<'static>> {
        match self {
            Self::Gate(_) | Self::Nothing => None,
            Self::Constant(value) => Some(value),
            Self::Variant(arm) => arm.value.as_ref(),
        }
    }

    #[inline]
    fn string(self) -> Option<&'a str> {
        match self.value() {
            None => self.variant(),
            Some(Value::String(text)) => Some(text),
            Some(_) => None,
        }
    }

    #[inline]
    fn integer(self) -> Option<i64> {
        self.value()?.whole()
    }

    #[inline]
    fn float(self) -> Option<f64> {
        match self.value()? {
            Value::Float(number) => Some(*number),
            // JSON has one kind of number. An integer that would be rounded is not a float.
            Value::Integer(number) => exact(*number),
            _ => None,
        }
    }

    fn deserialize<T: DeserializeOwned>(self) -> Option<T> {
        let value = match (self, self.value()) {
            (_, Some(value)) => value,
            (Self::Gate(on), None) => &Value::Bool(on),
            (Self::Variant(arm), None) => &Value::from(arm.name),
            (Self::Nothing | Self::Constant(_), None) => return None,
        };
        T::deserialize(value).ok()
    }

    /// Returns the type, for the log.
    fn found(self) -> Found<'a> {
        match (self, self.value()) {
            (_, Some(value)) => Found::Value(value),
            (Self::Variant(arm), None) => Found::Variant(arm.name),
            (Self::Gate(_) | Self::Nothing | Self::Constant(_), None) => Found::OnOrOff,
        }
    }
}

/// Returns the float that equals an integer, if there is one.
#[inline]
fn exact(number: i64) -> Option<f64> {
    is_exact(number).then_some(number as f64)
}

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
        match self.evaluate(&key, context, &mut ()) {
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
        self.read(&key, context, "string", Content::string).unwrap_or(default)
    }

    /// Evaluates the flag as an integer for `context`; `default` if no source has the flag, or if
    /// its value has another type.
    ///
    /// A number with decimals whose value is whole, such as `3.0`, is an integer: JSON has one kind
    /// of number.
    #[inline]
    pub fn integer(&self, key: impl FlagKey, context: &Context<'_>, default: i64) -> Answer<i64> {
        self.read(&key, context, "integer", Content::integer).unwrap_or(default)
    }

    /// Evaluates the flag as a number for `context`, integers included; `default` if no source has
    /// the flag, or if its value has another type.
    #[inline]
    pub fn float(&self, key: impl FlagKey, context: &Context<'_>, default: f64) -> Answer<f64> {
        self.read(&key, context, "float", Content::float).unwrap_or(default)
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
        self.read(&key, context, type_name::<T>(), Content::deserialize).unwrap_or(default)
    }

    /// Evaluates to the name of the variant that is served, if the flag has variants.
    #[inline]
    pub(super) fn named_variant(
        &self,
        key: &impl FlagKey,
        context: &Context<'_>,
    ) -> Answer<Option<&'static str>> {
        self.read(key, context, "variant", Content::variant)
    }

    /// Evaluates a flag, and reads its content with `read`. The answer has no value if `read` returns none,
    /// or if no source has the flag.
    #[inline]
    fn read<'a, T>(
        &'a self,
        key: &impl FlagKey,
        context: &Context<'_>,
        expected: &'static str,
        read: impl FnOnce(Content<'a>) -> Option<T>,
    ) -> Answer<Option<T>> {
        match self.evaluate(key, context, &mut ()) {
            Some(evaluation) => {
                let mismatch = |content: Content<'_>| {
                    self.mismatches.note(key.as_str(), expected, content.found());
                };
                self.content(&evaluation, context, read, mismatch)
            }
            None => Answer::new(None, self.absence(key.as_str()), None),
        }
    }

    #[inline(always)]
    fn content<'a, T>(
        &self,
        evaluation: &Evaluation<'a>,
        context: &Context<'_>,
        read: impl FnOnce(Content<'a>) -> Option<T>,
        mismatch: impl FnOnce(Content<'a>),
    ) -> Answer<Option<T>> {
        let Served { on, arm, decision, .. } = evaluation.served(context, &mut ());
        let content = match arm {
            Some(arm) => Content::Variant(arm),
            None if evaluation.has_variants() => {
                evaluation.constant(on).map_or(Content::Nothing, Content::Constant)
            }
            None => Content::Gate(on),
        };
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
    #[inline]
    pub fn boolean(&self, key: impl FlagKey, context: &Context<'_>, default: bool) -> Answer<bool> {
        self.cell.with(|snapshot| snapshot.boolean(&key, context, default))
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
    #[inline]
    pub fn variant<'d>(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &'d str,
    ) -> Answer<&'d str> {
        self.cell.with(|snapshot| snapshot.variant(&key, context, default))
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
    #[inline]
    pub fn string(
        &self,
        key: impl FlagKey,
        context: &Context<'_>,
        default: &str,
    ) -> Answer<String> {
        self.cell.with(|snapshot| snapshot.string(&key, context, default).map(str::to_owned))
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
    #[inline]
    pub fn integer(&self, key: impl FlagKey, context: &Context<'_>, default: i64) -> Answer<i64> {
        self.cell.with(|snapshot| snapshot.integer(&key, context, default))
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
    #[inline]
    pub fn float(&self, key: impl FlagKey, context: &Context<'_>, default: f64) -> Answer<f64> {
        self.cell.with(|snapshot| snapshot.float(&key, context, default))
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
        self.cell
            .with(|snapshot| snapshot.read(&key, context, type_name::<T>(), Content::deserialize))
            .unwrap_or(default)
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
