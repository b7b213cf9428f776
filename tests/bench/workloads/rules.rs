//! Five rules of two comparisons each, of which the fourth matches.

use std::hint::black_box;

use flagstaff::{
    Context, Definition, Flag, Flags,
    answer::Value,
    definition::{Condition, Entry, Operator, Rule, Serve},
};

use super::{CALLS, key, scatter, start, user};

/// Flags with rules, and the contexts of the calls.
pub(crate) struct Ruled {
    flags: Flags,
    handles: Vec<Flag>,
    calls: Vec<Call>,
    /// The context of each call.
    contexts: Vec<Context<'static>>,
}

struct Call {
    slot: usize,
    key: String,
    user: String,
    country: &'static str,
    seats: i64,
}

impl Call {
    fn new(n: usize, flags: usize) -> Self {
        let slot = scatter(n, flags);
        let country = COUNTRIES[scatter(n, COUNTRIES.len())];
        Self { slot, key: key(slot), user: user(n), country, seats: 10 + (n % 90) as i64 }
    }

    fn attributes(&self) -> [(&str, Value<'_>); 5] {
        [
            ("os", "android".into()),
            ("app_version", "5.2.1".into()),
            ("country", self.country.into()),
            ("plan", "pro".into()),
            ("seats", self.seats.into()),
        ]
    }
}

const COUNTRIES: [&str; 10] = ["DE", "AT", "CH", "FR", "IT", "ES", "PT", "NL", "BE", "LU"];

impl Ruled {
    pub(crate) fn new(flags: usize) -> Self {
        let offer = (0..flags).map(|slot| (key(slot), Entry::from(definition()))).collect();
        let (facade, _) = start(offer);
        let calls: Vec<_> = (0..CALLS).map(|n| Call::new(n, flags)).collect();
        let fixture = Self {
            handles: (0..flags).map(|slot| facade.flag(key(slot))).collect(),
            flags: facade,
            contexts: calls
                .iter()
                .map(|call| {
                    Context::user(&*call.user).lend_attributes(&call.attributes()).into_owned()
                })
                .collect(),
            calls,
        };
        // Fills the thread-locals, and checks that the fourth rule matches.
        assert_eq!((by_name(&fixture), by_handle(&fixture)), (CALLS, CALLS));
        fixture
    }
}

fn definition() -> Definition {
    let compare = |attribute: &str, operator, operand: Value<'static>| {
        Condition::compare(attribute, operator, operand).expect("an operand that fits")
    };
    let eq =
        |attribute: &str, operand: &'static str| compare(attribute, Operator::Eq, operand.into());
    let rule = |parts: [Condition; 2], serve| Rule::new(Condition::All(parts.into()), serve);
    Definition::new().rules([
        rule(
            [eq("os", "ios"), compare("app_version", Operator::Semver, "<5.2.0".into())],
            Serve::Off,
        ),
        rule(
            [eq("os", "android"), compare("app_version", Operator::Semver, "<4.9.0".into())],
            Serve::Off,
        ),
        rule([eq("plan", "free"), compare("seats", Operator::Lt, 5.into())], Serve::Off),
        rule([compare("country", Operator::In, COUNTRIES.into()), eq("plan", "pro")], Serve::On),
        rule([eq("plan", "team"), compare("seats", Operator::Ge, 10.into())], Serve::Off),
    ])
}

/// Evaluates by name, with a context that is built for the call.
pub(crate) fn by_name(fixture: &Ruled) -> usize {
    let asked = |call: &Call| {
        let attributes = call.attributes();
        let context = Context::user(&*call.user).lend_attributes(&attributes);
        fixture.flags.is_enabled(&*call.key, &context)
    };
    fixture.calls.iter().filter(|call| black_box(asked(black_box(call)))).count()
}

/// Evaluates by name, with a context that was built before.
pub(crate) fn by_name_with_context(fixture: &Ruled) -> usize {
    let calls = fixture.calls.iter().zip(&fixture.contexts);
    let asked = |call: &Call, context| fixture.flags.is_enabled(&*call.key, context);
    calls.filter(|(call, context)| black_box(asked(black_box(call), context))).count()
}

/// Evaluates by a handle, with a context that was built before.
pub(crate) fn by_handle(fixture: &Ruled) -> usize {
    let calls = fixture.calls.iter().zip(&fixture.contexts);
    let asked =
        |call: &Call, context| fixture.flags.is_enabled(&fixture.handles[call.slot], context);
    calls.filter(|(call, context)| black_box(asked(black_box(call), context))).count()
}
