//! Flags that depend on others in conditions, or require them to be off.

use std::time::Duration;

use flagstaff::{
    Context, Definition, File, Flags, Memory, Percentage,
    answer::Cause,
    definition::{Condition, OnStale, Operator, Prerequisite, Rule, Serve},
    event::Event,
};
use tokio::time;

use crate::support::{Act, Scripted, next};

fn flag(name: &str) -> Condition {
    Condition::Flag(Prerequisite::on(name))
}

fn is_off(name: &str) -> Condition {
    Condition::Flag(Prerequisite::off(name))
}

/// Returns a flag that is on if the rule matches.
fn on_if(rule: Rule) -> Definition {
    Definition::new().percentage(Percentage::ZERO).rules([rule])
}

fn when(condition: Condition) -> Definition {
    on_if(Rule::new(condition, Serve::On))
}

fn everybody() -> Condition {
    Condition::All(Vec::new())
}

fn unless(condition: Condition) -> Definition {
    on_if(Rule::new(everybody(), Serve::On).unless(condition))
}

async fn start(memory: &Memory) -> Flags {
    Flags::builder().source(memory.clone()).start().await.unwrap()
}

fn ask(flags: &Flags, name: &str) -> bool {
    flags.is_enabled(name, &Context::user("ana"))
}

/// Returns flags that depend on `x` in every way, each with its value while `x` is on, off and in no state.
fn asking() -> [(&'static str, Definition, [bool; 3]); 12] {
    let requires = |it: Prerequisite| Definition::new().requires([it]);
    let country = Condition::compare("country", Operator::Eq, "US").unwrap();
    let either = Condition::Any(vec![country.clone(), flag("x")]);
    [
        ("requires_on", requires(Prerequisite::on("x")), [true, false, false]),
        ("requires_off", requires(Prerequisite::off("x")), [false, true, false]),
        ("asks_on", when(flag("x")), [true, false, false]),
        ("asks_off", when(is_off("x")), [false, true, false]),
        ("not_on", when(flag("x").negated()), [false, true, false]),
        ("not_off", when(is_off("x").negated()), [true, false, false]),
        ("unless_on", unless(flag("x")), [false, true, false]),
        ("unless_off", unless(is_off("x")), [true, false, false]),
        ("inner_unless", when(flag("x").unless()), [false, true, false]),
        ("not_unless", when(flag("x").unless().negated()), [true, false, false]),
        // The country is unknown, and does not keep a flag in no state from making the condition unknown.
        ("unless_either", unless(either), [false, true, false]),
        ("unless_country", unless(country), [true, true, true]),
    ]
}

fn with_asking(memory: Memory) -> Memory {
    asking().into_iter().fold(memory, |memory, (name, flag, _)| memory.with(name, flag))
}

fn assert_asking(flags: &Flags, place: usize, which: &str) {
    for (name, _, expected) in asking() {
        assert_eq!(ask(flags, name), expected[place], "{name} while `x` is {which}");
    }
}

#[tokio::test]
async fn flags_follow_the_flags_that_they_ask_for() {
    let memory = with_asking(Memory::new()).with("x", true);
    let flags = start(&memory).await;

    assert_asking(&flags, 0, "on");

    memory.insert("x", false);
    assert_asking(&flags, 1, "off");

    memory.remove("x");
    assert_asking(&flags, 2, "unknown");

    // Once `x` has rules of its own, the flags that depend on `x` are compiled again.
    memory.insert("x", when(flag("y")));
    assert_asking(&flags, 1, "off while `y` is unknown");

    memory.insert("y", true);
    assert_asking(&flags, 0, "on with `y`");

    memory.insert("x", Definition::new().requires([Prerequisite::off("y")]));
    assert_asking(&flags, 1, "off since it requires `y` off");
}

#[tokio::test]
async fn a_rejected_flag_is_in_no_state_until_it_is_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    std::fs::write(&path, "[flags.x]\nonwer = \"web\"\n").unwrap();
    let above = with_asking(Memory::new());
    let flags = Flags::builder().source(above.clone()).source(File::open(&path).unwrap());
    let flags = flags.start().await.unwrap();

    assert_asking(&flags, 2, "rejected");

    above.insert("x", false);
    assert_asking(&flags, 1, "forced off");
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_flag_is_in_no_state() {
    let patience = Duration::from_secs(60);
    let (script, source) = Scripted::new();
    script.send(Act::Publish([("x", false)].into_iter().collect())).unwrap();
    let x = Definition::new().stale_after(patience).on_stale(OnStale::Unavailable);
    let below = with_asking(Memory::new()).with("x", x);
    let flags = Flags::builder().source(source).source(below).start().await.unwrap();
    assert_asking(&flags, 1, "off");

    script.send(Act::Fail("connection refused")).unwrap();
    time::sleep(patience * 2).await;

    assert_asking(&flags, 2, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn an_off_variant_of_an_unavailable_flag_meets_no_prerequisite() {
    let (script, source) = Scripted::new();
    script.send(Act::Publish([("_other", true)].into_iter().collect())).unwrap();
    let patience = Duration::from_secs(60);
    let price = Definition::new()
        .variants([("off", 1), ("high", 0)])
        .stale_after(patience)
        .on_stale(OnStale::Unavailable);
    let needs = |it| Definition::new().requires([it]);
    let below = Memory::new()
        .with("price", price)
        .with("one", needs(Prerequisite::variant("price", "off")))
        .with("several", needs(Prerequisite::any_variant("price", ["high", "off"])));
    let flags = Flags::builder().source(source).source(below).start().await.unwrap();
    assert!(ask(&flags, "one") && ask(&flags, "several"));

    script.send(Act::Publish([("price", true)].into_iter().collect())).unwrap();
    script.send(Act::Fail("connection refused")).unwrap();
    time::sleep(patience * 2).await;
    let cause = flags.boolean("price", &Context::user("ana"), false).cause;
    assert_eq!(cause, Cause::Unavailable);

    assert!(!ask(&flags, "one") && !ask(&flags, "several"));
}

#[tokio::test]
async fn any_of_several_variants_meets_a_prerequisite() {
    let memory = Memory::new().with("price", Definition::new().variants([("a", 1), ("b", 0)]));
    let needs = |it| Definition::new().requires([it]);
    let memory = memory
        .with("first", needs(Prerequisite::any_variant("price", ["a", "c"])))
        .with("others", needs(Prerequisite::any_variant("price", ["b", "c"])))
        .with("none", needs(Prerequisite::any_variant("price", [""; 0])));
    let flags = start(&memory).await;
    let all = |flags: &Flags| ["first", "others", "none"].map(|name| ask(flags, name));

    assert_eq!(all(&flags), [true, false, false]);

    memory.insert("price", Definition::new().variants([("a", 0), ("b", 1)]));
    assert_eq!(all(&flags), [false, true, false]);
}

#[tokio::test]
async fn a_diamond_of_forty_levels_is_evaluated_once_each() {
    let name = |level: usize, side: usize| format!("f{level}_{side}");
    let mut memory = Memory::new();
    for level in 0..40 {
        for side in [0, 1] {
            let below = [0, 1].map(|side| name(level + 1, side));
            let definition = match level % 3 {
                0 => Definition::new().requires(below.map(Prerequisite::off)),
                1 => when(Condition::All(below.iter().map(|it| is_off(it)).collect())),
                _ => unless(Condition::Any(below.iter().map(|it| flag(it)).collect())),
            };
            memory = memory.with(name(level, side), definition);
        }
    }
    let memory = memory.with(name(40, 0), true).with(name(40, 1), true);
    let flags = start(&memory).await;

    // Without sharing results, this would take 2^40 evaluations.
    assert!(ask(&flags, &name(0, 0)));
    assert!(!ask(&flags, &name(1, 0)));
    assert!(flags.explain(name(0, 0), &Context::user("ana")).answer.value);

    memory.insert(name(40, 1), false);
    assert!(ask(&flags, &name(0, 1)), "one of both is enough to turn a level over");
}

#[tokio::test]
async fn a_chain_of_flags_has_a_bound() {
    let links = 300;
    let memory = (0..links).fold(Memory::new(), |memory, n| {
        memory.with(format!("f{n}"), when(is_off(&format!("f{}", n + 1))))
    });
    let flags = start(&memory.with(format!("f{links}"), true)).await;

    let cause = |n: usize| flags.boolean(format!("f{n}"), &Context::anonymous(), false).cause;
    assert_eq!(cause(0), Cause::InvalidPrerequisites);
    assert_eq!(cause(links - 256), Cause::Rule(0));
    assert_eq!(cause(links - 257), Cause::InvalidPrerequisites);
}

#[tokio::test]
async fn flags_that_ask_for_each_other_over_sources_are_off_and_in_no_state() {
    let below = Memory::new()
        .with("a", when(flag("b")))
        .with("b", true)
        .with("behind", Definition::new().requires([Prerequisite::off("a")]));
    let above = Memory::new();
    let flags = Flags::builder().source(above.clone()).source(below).start().await.unwrap();
    let mut events = flags.events();
    assert!(ask(&flags, "a") && !ask(&flags, "behind"));

    above.insert("b", Definition::new().rules([Rule::new(is_off("a"), Serve::Off)]));

    let cause = |name: &str| flags.boolean(name, &Context::user("ana"), true).cause;
    assert_eq!(cause("a"), Cause::InvalidPrerequisites);
    assert_eq!(cause("b"), Cause::InvalidPrerequisites);
    assert!(!ask(&flags, "behind"), "`a` is off, and yet in no state");
    let failed = loop {
        if let Event::Failed { error, .. } = next(&mut events).await {
            break error.to_string();
        }
    };
    assert_eq!(failed, "flag `b` depends on itself and is off: `b` -> `a` -> `b`");

    above.remove("b");
    assert!(ask(&flags, "a") && !ask(&flags, "behind"));
}

#[tokio::test]
async fn a_switched_off_flag_needs_nothing_and_a_forced_one_neither() {
    let asks = Definition::new().requires([Prerequisite::off("on")]);
    let memory = Memory::new()
        .with("on", true)
        .with("killed", asks.clone().enabled(false))
        .with("asks", asks)
        .with("needs_killed_off", Definition::new().requires([Prerequisite::off("killed")]));
    let above = Memory::new();
    let flags = Flags::builder().source(above.clone()).source(memory).start().await.unwrap();
    let cause = |name: &str| flags.boolean(name, &Context::user("ana"), true).cause;

    assert_eq!(cause("killed"), Cause::Disabled);
    assert_eq!(cause("asks"), Cause::Prerequisite);
    assert!(ask(&flags, "needs_killed_off"));

    above.insert("asks", true);
    assert!(ask(&flags, "asks"));
}
