//! Checks that evaluation allocates nothing, and that many flags take little memory.

use std::{
    hint::black_box,
    sync::{Arc, Mutex},
};

use allocation_counter::measure;
use flagstaff::{
    Backend, Context, Definition, Env, Flags, Memory, Percentage,
    answer::{Cause, Value},
    definition::{Condition, Entry, Operator, Prerequisite, Rule, Serve, Variant, Variants},
    source::{BackendError, BoxFuture, Offer, Sink},
};

fn ten_percent() -> Definition {
    Definition::new()
        .percentage(Percentage::whole(10).expect("at most 100"))
        .denied_users(["mallory".to_owned()])
        .allowed_users((0..10).map(|n| format!("tester-{n}")).collect::<Vec<_>>())
        .allowed_groups(["employees".to_owned(), "beta".to_owned()])
}

/// Returns a flag with rules of every kind but regular expressions, which fill a cache of their own on their first use.
fn ruled() -> Definition {
    let rule = |attribute: &str, operator, operand: Value<'static>| {
        let condition = Condition::compare(attribute, operator, operand);
        Rule::new(condition.expect("an operand that fits"), Serve::Off)
    };
    Definition::new().rules([
        rule("plan", Operator::Eq, "free".into()),
        rule("app_version", Operator::Semver, "<5.2.0, >=1.0.0-alpha".into()),
        rule("country", Operator::In, ["FR", "IT", "ES", "PT", "NL", "BE"].into()),
        rule("ip", Operator::Cidr, "10.0.0.0/8".into()),
        rule("since", Operator::After, "2026-11-01T00:00:00Z".into()),
        rule("company.plan", Operator::EndsWith, "free".into()),
        rule("groups", Operator::Eq, "nobody".into()),
        Rule::new(Condition::All(Vec::new()), Serve::Percentage(Percentage::ZERO))
            .named("companies")
            .bucket_by("company.seats"),
    ])
}

fn ana_with_attributes() -> Context<'static> {
    let company = [("plan", Value::from("team")), ("seats", Value::from(12))];
    ana()
        .attribute("plan", "pro")
        .attribute("app_version", "5.10.0-a-long-pre-release.17")
        .attribute("country", "DE")
        .attribute("ip", "2001:db8::1")
        .attribute("since", "2026-01-01T10:00:00+02:00")
        .attribute("company", company.into_iter().collect::<Value<'_>>())
}

#[tokio::test]
async fn flags_that_ask_for_others_allocate_nothing() {
    let asks = |name: &str| Condition::Flag(Prerequisite::off(name));
    let chain = (0..20).fold(Memory::new().with("f20", ruled()), |memory, n| {
        let rule = Rule::new(asks(&format!("f{}", n + 1)), Serve::Off).unless(asks("f20"));
        memory.with(format!("f{n}"), Definition::new().rules([rule]))
    });
    let needs = [Prerequisite::off("nosuch"), Prerequisite::off("f3")];
    let memory = chain.with("needs", Definition::new().requires(needs));
    let flags = Flags::builder().source(memory).start().await.expect("memory starts");
    let ana = ana_with_attributes();
    flags.is_enabled("needs", &ana);

    let allocated = measure(|| {
        black_box(flags.is_enabled("f0", &ana));
        black_box(flags.is_enabled("f15", &ana));
        black_box(flags.is_enabled("needs", &ana));
    });

    assert_eq!(allocated.count_total, 0);
}

#[tokio::test]
async fn rules_allocate_nothing() {
    let memory = Memory::new().with("ruled", ruled());
    let flags = Flags::builder().source(memory).start().await.expect("memory starts");
    let ana = ana_with_attributes();

    assert_eq!(flags.boolean("ruled", &ana, false).cause, Cause::Rule(7));
    assert_eq!(allocations(|| flags.is_enabled("ruled", &ana)), 0);
    assert_eq!(allocations(|| flags.boolean("ruled", &ana, false)), 0);
    let lent = |plan: &str| {
        let attributes = [("plan", plan.into()), ("ip", "10.1.2.3".into())];
        let context = Context::user("ana").lend_attributes(&attributes);
        flags.is_enabled("ruled", &context)
    };
    assert!(!lent("free"));
    assert_eq!(allocations(|| lent("pro")), 0);
}

#[tokio::test]
async fn texts_behind_rules_allocate_nothing() {
    let variants = Variants::new()
        .with("plain", Variant::new().weight(50).value("a text that is too long to be inline"))
        .with("dark", Variant::new().weight(50).value("another text"));
    let everybody = Condition::compare("plan", Operator::Eq, "pro").expect("an operand that fits");
    let mut rules = ruled().rare().rules.value().expect("it has rules")[..4].to_vec();
    rules.push(Rule::new(everybody, Serve::Variant("dark".to_owned())));
    let definition = Definition::new().rules(rules).variants(variants);
    let memory = Memory::new().with("ruled", definition);
    let flags = Flags::builder().source(memory).start().await.expect("memory starts");
    let (snapshot, ana) = (flags.snapshot(), ana_with_attributes());
    let request = flags.pin(ana.clone());

    let answer = snapshot.string("ruled", &ana, "none");
    assert_eq!((answer.value, answer.cause), ("another text", Cause::Rule(4)));
    assert_eq!(allocations(|| flags.variant("ruled", &ana, "none")), 0);
    assert_eq!(allocations(|| snapshot.string("ruled", &ana, "none")), 0);
    assert_eq!(allocations(|| request.string("ruled", "none")), 0);
}

#[tokio::test]
async fn constants_and_served_variants_allocate_nothing() {
    let text = "a text that is too long to be inline";
    let served = Variants::new().with("a", Variant::new().value(text)).with("b", Variant::new());
    let everybody = Rule::new(Condition::All(Vec::new()), Serve::Default);
    let memory = Memory::new()
        .with("constant", Definition::new().value(text))
        .with("limit", Definition::new().value(50))
        .with("served", Definition::new().variants(served).serve("a"))
        .with("default", Definition::new().value(text).rules([everybody]));
    let flags = Flags::builder().source(memory).start().await.expect("memory starts");
    let (snapshot, ana) = (flags.snapshot(), ana());

    for (flag, expected) in [("constant", text), ("served", text), ("default", "none")] {
        assert_eq!(snapshot.string(flag, &ana, "none").value, expected, "{flag}");
        assert_eq!(allocations(|| snapshot.string(flag, &ana, "none")), 0, "{flag}");
        assert_eq!(allocations(|| flags.boolean(flag, &ana, false)), 0, "{flag}");
    }
    assert_eq!(allocations(|| flags.integer("limit", &ana, 1)), 0);
    assert_eq!(allocations(|| flags.float("limit", &ana, 1.0)), 0);
}

async fn flags() -> Flags {
    let variants = Variants::new()
        .with("plain", Variant::new().weight(50).value("a text that is too long to be inline"))
        .with("dark", Variant::new().weight(50).value("another text"));
    let memory = Memory::new()
        .with("constant", true)
        .with("targeted", ten_percent())
        .with("variants", ten_percent().percentage(Percentage::HUNDRED).variants(variants));
    Flags::builder().source(memory).start().await.expect("memory starts")
}

/// Counts the allocations of the second of two calls: the first may fill a thread-local.
fn allocations<T>(ask: impl Fn() -> T) -> u64 {
    black_box(ask());
    measure(|| {
        black_box(ask());
    })
    .count_total
}

fn ana() -> Context<'static> {
    Context::user("ana@example.com").group("beta").group("employees")
}

#[tokio::test]
async fn asking_by_name_allocates_nothing() {
    let flags = flags().await;

    for key in ["constant", "targeted", "variants"] {
        assert_eq!(allocations(|| flags.is_enabled(key, &ana())), 0, "{key}");
        assert_eq!(allocations(|| flags.boolean(key, &ana(), true).value), 0, "{key}");
        assert_eq!(allocations(|| flags.is_enabled(key, &Context::anonymous())), 0, "{key}");
        assert_eq!(allocations(|| flags.is_enabled(key, &Context::user("tester-7"))), 0, "{key}");
    }
}

#[tokio::test]
async fn asking_by_handle_allocates_nothing() {
    let flags = flags().await;
    let ana = ana();

    for key in ["constant", "targeted", "unknown"] {
        let flag = flags.flag(key);

        assert_eq!(allocations(|| flags.is_enabled(&flag, &ana)), 0, "{key}");
    }
}

#[tokio::test]
async fn the_reason_allocates_nothing() {
    let flags = flags().await;
    let bob = Context::user("bob@example.com");

    for key in ["constant", "targeted", "variants", "unknown"] {
        assert_eq!(allocations(|| flags.boolean(key, &ana(), false)), 0, "{key}");
        assert_eq!(allocations(|| flags.boolean(key, &bob, false).error_details()), 0, "{key}");
    }
}

#[tokio::test]
async fn values_allocate_nothing() {
    let flags = flags().await;
    let (snapshot, request) = (flags.snapshot(), flags.pin(ana()));

    for key in ["constant", "targeted", "variants", "unknown"] {
        assert_eq!(allocations(|| flags.variant(key, &ana(), "plain")), 0, "{key}");
        assert_eq!(allocations(|| flags.integer(key, &ana(), 7)), 0, "{key}");
        assert_eq!(allocations(|| flags.float(key, &ana(), 0.5)), 0, "{key}");
        assert_eq!(allocations(|| snapshot.string(key, &ana(), "plain")), 0, "{key}");
        assert_eq!(allocations(|| request.string(key, "plain")), 0, "{key}");
    }
    assert_eq!(allocations(|| snapshot.all(&ana()).count()), 0);
}

#[tokio::test]
async fn an_unknown_flag_allocates_nothing_after_its_warning() {
    let flags = flags().await;

    assert_eq!(allocations(|| flags.is_enabled("unknown", &ana())), 0);
}

#[tokio::test]
async fn an_unknown_flag_is_looked_up_in_the_environment_without_allocating() {
    let env = Env::with_prefix("FEATURE_").variables([("FEATURE_NEW_CHECKOUT", "1")]);
    let flags = Flags::builder().source(env).start().await.unwrap();

    // The environment lists `new_checkout`; this spelling of it is unknown.
    assert!(flags.is_enabled("new-checkout", &ana()));
    assert_eq!(allocations(|| flags.is_enabled("new-checkout", &ana())), 0);
    assert_eq!(allocations(|| flags.is_enabled("unknown.flag", &ana())), 0);
}

#[tokio::test]
async fn the_first_question_after_a_reload_allocates_nothing_and_frees_nothing() {
    let memory = Memory::new().with("a", true);
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    assert!(flags.is_enabled("a", &ana()));

    memory.insert("a", false);
    let mut on = true;
    let info = measure(|| on = flags.is_enabled("a", &ana()));

    assert!(!on);
    assert_eq!((info.count_total, info.count_current), (0, 0));
}

#[tokio::test]
async fn generations_without_a_holder_are_freed() {
    let memory = Memory::new().with("a", true);
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let reload = |n: usize| {
        memory.insert("a", n.is_multiple_of(2));
        flags.is_enabled("a", &ana());
    };
    (0..10).for_each(reload);

    let info = measure(|| (10..110).for_each(reload));

    assert_eq!(info.count_current, 0);
}

#[tokio::test]
async fn a_request_asks_without_allocating() {
    let flags = flags().await;
    let request = flags.pin(ana());

    assert_eq!(allocations(|| request.is_enabled("targeted")), 0);
    assert_eq!(allocations(|| request.boolean("targeted", false)), 0);
    request.sync_scope(|| {
        assert_eq!(allocations(|| flagstaff::is_enabled("targeted")), 0);
        assert_eq!(allocations(|| flagstaff::boolean("targeted", false)), 0);
    });
}

/// A source that publishes one offer and keeps no copy.
struct Told(Mutex<Offer>);

impl Told {
    fn new(offer: Offer) -> Self {
        Self(Mutex::new(offer))
    }
}

impl Backend for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(std::mem::take(&mut *self.0.lock().expect("no test panics with it")));
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Measures the memory of 10,000 flags, their source's definitions included.
fn kept(entry: impl Fn(usize) -> Entry) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread");
    let mut kept = Vec::new();
    let info = measure(|| {
        let offer: Offer = (0..10_000).map(|n| (format!("checkout_step_{n}"), entry(n))).collect();
        let flags = runtime.block_on(Flags::builder().source(Told::new(offer)).start());
        kept.push(flags.expect("the source starts"));
    });
    info.bytes_current
}

#[test]
fn ten_thousand_flags_keep_less_than_six_megabytes() {
    let constant = kept(|n| Entry::from(n % 2 == 0));
    let percentage = kept(|n| {
        let percentage = Percentage::whole(n as u32 % 100).unwrap();
        Definition::new().owner("payments").percentage(percentage).into()
    });
    let targeted = kept(|_| ten_percent().into());
    println!(
        "kept by 10,000 flags: {constant} bytes if constant, {percentage} with a percentage, {targeted} with lists"
    );

    assert!(constant < 6_000_000, "{constant}");
    assert!(percentage < 6_000_000, "{percentage}");
}
