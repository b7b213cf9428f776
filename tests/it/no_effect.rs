//! Changes that succeed but change no answer.

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Definition, Env, File, Flags, Memory, Percentage,
    definition::{Active, Entry, Prerequisite, Rollout, Setting, Stage},
    write::{NoEffect, NoEffectKind},
};

fn percent(percent: u32) -> Definition {
    Definition::new().percentage(Percentage::whole(percent).unwrap())
}

/// Returns flags with a writable store over declared flags.
async fn over(declared: Memory) -> Flags {
    Flags::builder().source(Memory::new()).source(declared).start().await.unwrap()
}

async fn set(declared: impl Into<Entry>, patch: Definition) -> Option<NoEffect> {
    let flags = over(Memory::new().with("x", declared)).await;
    flags.set("x", patch).await.unwrap().no_effect
}

fn kind(no_effect: &Option<NoEffect>) -> Option<NoEffectKind> {
    no_effect.as_ref().map(|it| it.kind)
}

#[tokio::test]
async fn a_percentage_of_a_flag_that_is_declared_off_names_file_and_line_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    fs::write(&path, "[flags.x]\nowner = \"web\"\nenabled = false\n").unwrap();
    let file = File::open(&path).unwrap();
    let flags = Flags::builder().source(Memory::new()).source(file).start().await.unwrap();

    let outcome = flags.set("x", percent(25)).await.unwrap();

    let no_effect = outcome.no_effect.unwrap();
    let text = no_effect.to_string();
    assert!(text.starts_with("it stays off: `enabled` is false in source `file` ("), "{text}");
    assert!(text.ends_with("flags.toml:3)"), "{text}");
    assert_eq!(no_effect.help.as_deref(), Some("set `enabled` to true as well"));
    assert_eq!(
        flags.set("x", percent(25).enabled(true)).await.unwrap().no_effect,
        None,
        "the remedy works"
    );
    assert_eq!(flags.watch("x").borrow().to_string(), "25%");
}

#[tokio::test]
async fn every_way_of_being_off_holds_a_percentage_back() {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let over_since = Definition::new().active(Active::new().until(past));
    let needs_nosuch = Definition::new().requires([Prerequisite::on("nosuch")]);
    let never_drawn = Definition::new().variants([("off", 1)]);

    assert_eq!(
        kind(&set(Definition::new().enabled(false), percent(25)).await),
        Some(NoEffectKind::Disabled)
    );
    assert_eq!(kind(&set(false, percent(25)).await), Some(NoEffectKind::Disabled));
    assert_eq!(kind(&set(over_since, percent(25)).await), Some(NoEffectKind::Inactive));
    assert_eq!(kind(&set(needs_nosuch, percent(25)).await), Some(NoEffectKind::Prerequisite));
    assert_eq!(kind(&set(never_drawn, percent(25)).await), Some(NoEffectKind::StaysOff));
    let zero = set(percent(0), Definition::new().salt("spring")).await;
    assert_eq!(kind(&zero), Some(NoEffectKind::NoUsers));
    assert!(zero.unwrap().to_string().contains("its percentage is at 0% in source `memory#2`"));
    let waiting = Definition::new().rollout(Rollout::new([Stage::new(Percentage::HUNDRED)]));
    let waiting = set(waiting, Definition::new().salt("spring")).await;
    assert!(waiting.unwrap().why.contains("its rollout is at 0%"));

    let held = set(
        percent(0).enabled(false),
        Definition::new().enabled(true).percentage(Percentage::ZERO),
    );
    assert_eq!(kind(&held.await), Some(NoEffectKind::NoUsers));
    // Also within one source.
    let flags = over(Memory::new()).await;
    flags.set("x", Definition::new().enabled(false)).await.unwrap();
    let own = flags.set("x", percent(25)).await.unwrap().no_effect;
    assert_eq!(kind(&own), Some(NoEffectKind::Disabled));

    assert_eq!(set(true, percent(25)).await, None);
    assert_eq!(set(Definition::new(), Definition::new().enabled(false)).await, None);
}

#[tokio::test]
async fn a_prerequisite_that_is_off_holds_changes_back_over_any_number_of_steps() {
    let requires = |flag: &str| Definition::new().requires([Prerequisite::on(flag)]);
    let declared = Memory::new()
        .with("a", requires("b"))
        .with("b", requires("c"))
        .with("c", Definition::new().enabled(false));
    let flags = over(declared.clone()).await;

    let held = flags.set("a", percent(25)).await.unwrap().no_effect.unwrap();
    assert_eq!(
        held.to_string(),
        "it stays off: it requires `b`, which is never as required in source `memory#2`"
    );
    declared.insert("c", true);
    assert_eq!(flags.set("a", percent(30)).await.unwrap().no_effect, None);

    // Forcing a flag on lifts its requirements.
    declared.insert("c", false);
    assert_eq!(flags.enable("a").await.unwrap().no_effect, None);
}

#[tokio::test]
async fn a_stronger_source_holds_changes_back() {
    let env = Env::with_prefix("FEATURE_").variables([("FEATURE_ON", "1"), ("FEATURE_OFF", "0")]);
    let declared = Memory::new().with("on", true).with("off", true);
    let flags = Flags::builder().source(env).source(declared).start().await.unwrap();

    let kill = flags.disable("on").await.unwrap().no_effect.unwrap();
    assert_eq!(kill.to_string(), "it stays on: `enabled` is set in source `env` (FEATURE_ON)");
    assert_eq!(kill.kind, NoEffectKind::Overridden);
    let part = flags.set("on", percent(25)).await.unwrap().no_effect.unwrap();
    assert_eq!(part.kind, NoEffectKind::Overridden, "{part}");
    let off = flags.set("off", percent(25)).await.unwrap().no_effect.unwrap();
    assert_eq!((off.kind, off.source.map(|it| it.name)), (NoEffectKind::Disabled, Some("env")));
    assert_eq!(off.help.as_deref(), Some("change it in that source"));

    // These changes confirm the current state, so they are not reported.
    assert_eq!(flags.enable("on").await.unwrap().no_effect, None);
    assert_eq!(flags.disable("off").await.unwrap().no_effect, None);
    // Deny-lists add up.
    let denied = Definition::new().denied_users(["mallory"]);
    assert_eq!(flags.set("on", denied).await.unwrap().no_effect, None);
}

#[tokio::test]
async fn settings_without_effect_by_themselves_are_reported() {
    let half = Percentage::whole(50).unwrap();
    let traffic = set(Definition::new(), Definition::new().traffic(half)).await.unwrap();
    assert_eq!(traffic.kind, NoEffectKind::Incomplete);
    assert_eq!(
        traffic.to_string(),
        "it stays on: `traffic` has no effect, since the flag has no variants"
    );
    assert_eq!(traffic.help.as_deref(), Some("set `variants` as well"));

    let allowed = set(true, Definition::new().allowed_users(["ana"])).await.unwrap();
    assert_eq!(allowed.to_string(), "it stays on: it is on for all users already");

    let same = set(percent(25), percent(25)).await.unwrap();
    assert_eq!(same.to_string(), "it stays 25%: the other sources have the same");

    let forced = Definition::new().variants([("a", 0), ("b", 0), ("off", 1)]);
    let flags = over(Memory::new().with("x", forced)).await;
    let forced = flags.enable("x").await.unwrap().no_effect.unwrap();
    assert_eq!(forced.kind, NoEffectKind::StaysOff);
    assert!(forced.to_string().contains("none of its variants `a`, `b` has a weight"), "{forced}");
}

#[tokio::test]
async fn a_draw_beside_serve_changes_nothing_and_what_is_served_does() {
    let declared = || Definition::new().variants([("a", 1), ("b", 1)]).serve("a");
    let none = Percentage::ZERO;

    let weight = set(declared(), Definition::new().variants([("b", 5)])).await.unwrap();
    let traffic = set(declared(), Definition::new().traffic(none)).await;
    let variant = set(declared(), Definition::new().serve("b")).await;
    let value = set(Definition::new().value(1), Definition::new().value(2)).await;

    assert_eq!(
        weight.to_string(),
        "it stays on: nothing is drawn beside `serve` in source `memory#2`"
    );
    assert_eq!(weight.help.as_deref(), Some("remove `serve`, too"));
    assert_eq!(kind(&traffic), Some(NoEffectKind::Undrawn));
    assert_eq!((variant, value), (None, None));
    // An allowed user is drawn among the variants, since the variant for all users is off.
    let off = Definition::new().variants([("off", 1), ("a", 1), ("b", 1)]).serve("off");
    let off = off.allowed_users(["ana"]);
    assert_eq!(set(off, Definition::new().variants([("b", 0)])).await, None);
}

#[tokio::test]
async fn descriptions_and_unchanged_values_are_not_reported_as_without_effect() {
    assert_eq!(set(false, Definition::new().owner("web")).await, None);

    let flags = over(Memory::new().with("x", false)).await;
    assert!(flags.set("x", percent(25)).await.unwrap().no_effect.is_some());
    assert_eq!(flags.set("x", percent(25)).await.unwrap().no_effect, None, "nothing is new");
    // After `clear`, the flag is as before.
    assert!(flags.clear("x").await.unwrap().no_effect.is_some());

    // An off flag may serve another variant.
    let price = Definition::new().enabled(false).variants([("control", 1), ("higher", 1)]);
    let flags = over(Memory::new().with("price", price)).await;
    assert_eq!(flags.set("price", Definition::new().off("higher")).await.unwrap().no_effect, None);
}

#[tokio::test]
async fn a_step_of_a_rollout_that_is_switched_off_is_reported() {
    let stages =
        [Stage::new(Percentage::whole(10).unwrap()).manual(), Stage::new(Percentage::HUNDRED)];
    let rollout = Rollout::new(stages).start(SystemTime::UNIX_EPOCH);
    let declared = Definition::new().enabled(false).rollout(rollout);
    let flags = over(Memory::new().with("x", declared)).await;

    let step = flags.rollout("x").advance().await.unwrap();

    assert_eq!(kind(&step.no_effect), Some(NoEffectKind::Disabled));
}

#[tokio::test]
async fn a_removal_that_lets_a_user_in_has_an_effect() {
    let declared = Definition::new().denied_users(["mallory"]);
    let mut patch = Definition::new();
    patch.denied_users = Setting::Remove;

    assert_eq!(set(declared, patch).await, None);
}

#[tokio::test]
async fn removing_a_setting_from_an_override_asks_for_no_other_settings() {
    let flags = over(Memory::new().with("x", true)).await;
    flags.enable("x").await.unwrap();

    assert_eq!(flags.clear("x").await.unwrap().no_effect, None);
}

#[tokio::test]
async fn flags_that_require_the_same_flags_in_many_ways_are_looked_at_once() {
    // There are 2^40 paths from the first layer to the last.
    let name = |layer: usize, side: usize| format!("f{layer}_{side}");
    let requires = |layer| [0, 1].map(|side| Prerequisite::on(name(layer, side)));
    let layers = (0..40).flat_map(|layer| [(layer, 0), (layer, 1)]);
    let declared = layers.fold(Memory::new(), |memory, (layer, side)| {
        memory.with(name(layer, side), Definition::new().requires(requires(layer + 1)))
    });
    let declared = declared.with(name(40, 0), true).with(name(40, 1), false);
    let flags = over(declared).await;

    let no_effect = flags.set("f0_0", percent(25)).await.unwrap().no_effect;

    assert_eq!(kind(&no_effect), Some(NoEffectKind::Prerequisite));
}

#[tokio::test]
async fn a_user_removed_from_one_deny_list_is_still_denied_by_another_source() {
    let empty = || Definition::new().denied_users(Vec::<String>::new());
    let denying = Definition::new().denied_users(["mallory"]);

    let same = set(denying, empty()).await.unwrap();
    let nothing = set(true, empty()).await.unwrap();

    assert_eq!(same.kind, NoEffectKind::Already);
    assert!(same.help.unwrap().starts_with("`denied_users` of all sources add up"));
    assert_eq!((nothing.kind, nothing.help), (NoEffectKind::Already, None));
}

#[test]
fn a_chain_of_thousands_of_overrides_does_not_overflow_the_stack() {
    let chain = (1..9_900).map(|n| {
        let required = format!("f{}", n - 1);
        (format!("f{n}"), Definition::new().requires([&*required]))
    });
    let declared = chain.fold(Memory::new().with("f0", false), |memory, (flag, definition)| {
        memory.with(&*flag, definition)
    });
    let flags = Flags::builder().source(Memory::new()).source(declared).start_blocking().unwrap();

    // Too small for a recursion over so many flags.
    let thread = thread::Builder::new().stack_size(512 << 10);
    let patch = Entry::from(percent(25));
    let no_effect =
        thread.spawn(move || flags.without_effect("f9899", Some(&patch))).unwrap().join().unwrap();

    assert_eq!(kind(&no_effect), Some(NoEffectKind::Prerequisite));
}

#[tokio::test]
async fn to_force_what_is_on_names_no_setting_that_the_flag_lacks() {
    let flags = over(Memory::new().with("x", Definition::new().enabled(true))).await;

    let forced = flags.set("x", Definition::forced(true)).await.unwrap();

    let no_effect = forced.no_effect.unwrap();
    assert_eq!(no_effect.kind, NoEffectKind::Already);
    assert_eq!(no_effect.to_string(), "it stays on: it is on for all users already");
}
