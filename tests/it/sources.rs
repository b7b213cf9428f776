//! Precedence, merging and provenance, through `Flags`.

use flagstaff::{
    Context, Definition, Env, File, Flags, Memory, Percentage, Reason,
    answer::{Cause, ErrorCode, FlagState},
    definition::{Entry, Field, Serve, Setting, Variant, Variants},
};

fn ten_percent() -> Definition {
    Definition::new()
        .owner("payments")
        .denied_users(["mallory"])
        .allowed_users(["ana"])
        .allowed_groups(["beta"])
        .percentage(Percentage::whole(10).unwrap())
}

async fn start(env: &[(&str, &str)], memory: Memory) -> Flags {
    let env = Env::with_prefix("FEATURE_").variables(env.iter().copied());
    Flags::builder().source(env).source(memory).start().await.unwrap()
}

#[tokio::test]
async fn the_steps_of_an_evaluation_come_in_their_order() {
    let all = ten_percent().denied_groups(["banned"]);
    let off = all.clone().enabled(false);
    let memory = Memory::new().with("a", all).with("off", off);
    let flags = start(&[], memory).await;
    let ask = |key: &str, context: &Context<'_>| {
        let answer = flags.boolean(key, context, false);
        (answer.value, answer.reason, answer.cause)
    };

    let denied_and_allowed = Context::user("mallory").group("beta");
    let banned_and_allowed = Context::user("ana").group("banned");
    assert_eq!(ask("off", &Context::user("ana")), (false, Reason::Disabled, Cause::Disabled));
    assert_eq!(ask("a", &denied_and_allowed), (false, Reason::TargetingMatch, Cause::DeniedUser));
    assert_eq!(ask("a", &banned_and_allowed), (false, Reason::TargetingMatch, Cause::DeniedGroup));
    assert_eq!(ask("a", &Context::user("ana")), (true, Reason::TargetingMatch, Cause::AllowedUser));
    assert_eq!(
        ask("a", &Context::user("x").group("beta")),
        (true, Reason::TargetingMatch, Cause::AllowedGroup)
    );
    assert_eq!(ask("a", &Context::user("x")).1, Reason::Split);
}

#[tokio::test]
async fn a_percentage_without_a_targeting_key_is_out_and_says_why() {
    let flags = start(&[], Memory::new().with("a", ten_percent())).await;

    let answer = flags.boolean("a", &Context::anonymous(), false);

    assert!(!answer.value);
    assert_eq!(answer.error_code, Some(ErrorCode::TargetingKeyMissing));
    assert!(answer.error_details().unwrap().contains("names no user"));
}

#[tokio::test]
async fn at_one_hundred_percent_the_anonymous_are_in_and_the_denied_out() {
    let all = ten_percent().percentage(Percentage::HUNDRED);
    let flags = start(&[], Memory::new().with("a", all)).await;

    assert!(flags.is_enabled("a", &Context::anonymous()));
    assert!(!flags.is_enabled("a", &Context::user("mallory")));
}

#[tokio::test]
async fn a_variable_forces_a_flag_on_for_all_users_but_the_denied() {
    let flags = start(&[("FEATURE_A", "1")], Memory::new().with("a", ten_percent())).await;

    let answer = flags.boolean("a", &Context::anonymous(), false);

    assert_eq!((answer.value, answer.reason), (true, Reason::Default));
    assert_eq!(answer.source, Some("env"));
    let denied = flags.boolean("a", &Context::user("mallory"), false);
    assert_eq!((denied.value, denied.source), (false, Some("memory")));
}

#[tokio::test]
async fn a_variable_that_is_not_truthy_forces_a_flag_off() {
    let flags = start(&[("FEATURE_A", "")], Memory::new().with("a", true)).await;

    let answer = flags.boolean("a", &Context::anonymous(), false);

    assert_eq!((answer.value, answer.reason), (false, Reason::Disabled));
}

#[tokio::test]
async fn every_field_has_its_source() {
    let quarter = Percentage::whole(25).unwrap();
    let above = Memory::new().with("a", Definition::new().percentage(quarter));
    let below = Memory::new().with("a", ten_percent());
    let env = Env::with_prefix("F_").variables([("F_A", "1")]);
    let flags = Flags::builder().source(above).source(env).source(below).start().await.unwrap();
    let snapshot = flags.snapshot();

    let info = snapshot.info("a").unwrap();

    let source_of = |field| info.source_of(field).map(|source| source.name);
    assert_eq!(source_of(Field::Percentage), Some("memory"));
    assert_eq!(source_of(Field::Enabled), Some("env"));
    assert_eq!(source_of(Field::AllowedUsers), Some("env"), "taken away by the forced value");
    assert_eq!(source_of(Field::Owner), Some("memory#2"));
    assert_eq!(source_of(Field::Salt), None);
    assert_eq!(info.definition().owner.value().map(String::as_str), Some("payments"));
    assert_eq!(
        info.state(),
        FlagState::Partial {
            percentage: quarter,
            allowed: 0,
            denied: 1,
            rules: 0,
            required: 0,
            variants: 0
        }
    );
}

#[tokio::test]
async fn deny_lists_of_all_sources_add_up_and_each_answer_names_its_source() {
    let above = Definition::new().denied_users(["eve", "mallory"]).denied_groups(["banned"]);
    let below = ten_percent().percentage(Percentage::HUNDRED);
    let sources = [above, Definition::new().owner("web"), below];
    let sources = sources.map(|definition| Memory::new().with("a", definition));
    let mut builder = Flags::builder();
    for source in &sources {
        builder = builder.source(source.clone());
    }
    let flags = builder.start().await.unwrap();
    let ask = |context: Context<'_>| {
        let answer = flags.boolean("a", &context, true);
        (answer.value, answer.source)
    };

    assert_eq!(ask(Context::user("eve")), (false, Some("memory")));
    assert_eq!(ask(Context::user("mallory")), (false, Some("memory#3")), "the weakest denies too");
    assert_eq!(ask(Context::user("x").group("banned")), (false, Some("memory")));
    assert_eq!(ask(Context::user("bob")), (true, Some("memory#3")));

    let snapshot = flags.snapshot();
    let info = snapshot.info("a").unwrap();
    let of = |field| info.sources_of(field).iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!(of(Field::DeniedUsers), ["memory", "memory#3"]);
    assert_eq!(of(Field::DeniedGroups), ["memory"]);
    assert_eq!(of(Field::AllowedUsers), ["memory#3"]);
    let explanation = flags.explain("a", &Context::user("mallory"));
    let settings = explanation.settings.iter().filter(|it| it.field == Field::DeniedUsers);
    let settings: Vec<_> = settings.map(|it| (it.source, it.value.as_deref())).collect();
    assert_eq!(
        settings,
        [("memory", Some("2 users")), ("memory#3", Some("1 user"))],
        "{explanation}"
    );

    // `null` removes the deny-lists of the sources below, but not those of the sources above.
    let mut middle = Definition::new().owner("web");
    middle.denied_users = Setting::Remove;
    sources[1].insert("a", middle);
    assert!(!flags.is_enabled("a", &Context::user("mallory")), "the strongest denies it too");
    sources[0].remove("a");
    assert!(flags.is_enabled("a", &Context::user("mallory")));
    sources[1].remove("a");
    assert!(!flags.is_enabled("a", &Context::user("mallory")));
}

#[tokio::test]
async fn a_change_of_one_source_replaces_its_own_deny_list() {
    let declared = Memory::new().with("a", ten_percent().percentage(Percentage::HUNDRED));
    let flags = Flags::builder().source(Memory::new()).source(declared).start().await.unwrap();
    flags.set("a", Definition::new().denied_users(["eve", "bob"])).await.unwrap();

    flags.set("a", Definition::new().denied_users(["bob"])).await.unwrap();

    let is_on = |user| flags.is_enabled("a", &Context::user(user));
    assert_eq!(["eve", "bob", "mallory"].map(is_on), [true, false, false]);
}

#[tokio::test]
async fn a_string_that_a_rule_serves_is_a_variant_of_any_source_before_a_percentage() {
    let load = |name: &str| {
        let variants = Variants::new()
            .with("none", Variant::new().weight(1).value(0.0))
            .with(name, Variant::new().value(0.25));
        Definition::new().variants(variants)
    };
    let patch = |serve: &str| {
        let rules = format!(r#"{{"rules": [{{"name": "r", "when": {{}}, "serve": "{serve}"}}]}}"#);
        flagstaff::definition::from_json("load", &rules).unwrap()
    };
    let served = async |above: Definition, below: Definition| {
        let (above, below) = (Memory::new().with("load", above), Memory::new().with("load", below));
        let flags = Flags::builder().source(above).source(below).start().await.unwrap();
        let snapshot = flags.snapshot();
        let rules = &snapshot.info("load").unwrap().definition().rare().rules;
        rules.value().unwrap()[0].serve.to_string()
            + match rules.value().unwrap()[0].serve {
                Serve::Variant(_) => " variant",
                _ => " of users",
            }
    };

    assert_eq!(served(patch("25%"), load("25%")).await, "25% variant");
    assert_eq!(served(patch("25.0%"), load("25.0%")).await, "25.0% variant");
    assert_eq!(served(patch("25.0%"), load("25%")).await, "25% variant", "written anew, it is 25%");
    assert_eq!(served(patch("25%"), load("half")).await, "25% of users");
    assert_eq!(served(patch("25%"), Definition::new()).await, "25% of users");
    assert_eq!(served(load("25%"), patch("25%")).await, "25% variant", "the other way round");
    let nothing = Definition::new().variants(Variants::new().without("25%"));
    let mut own = load("25%");
    own.merge(&patch("25%"));
    assert_eq!(served(nothing, own).await, "25% of users", "the variant is taken away");
}

#[tokio::test]
async fn all_lists_the_union_of_the_sources_sorted() {
    let memory = Memory::new().with("b", false).with("z", true);
    let flags = start(&[("FEATURE_A", "1"), ("FEATURE_B", "1")], memory).await;

    let all = flags.all(&Context::anonymous());

    let seen: Vec<_> = all.iter().map(|(key, a)| (key.as_str(), a.value, a.source)).collect();
    assert_eq!(
        seen,
        [("a", true, Some("env")), ("b", true, Some("env")), ("z", true, Some("memory"))]
    );
}

#[tokio::test]
async fn all_stays_sorted_while_flags_come_and_go() {
    let required = Definition::new().requires(["nobody_has_it"]);
    let memory = Memory::new().with("m", true).with("z", required);
    let flags = start(&[], memory.clone()).await;
    let all = || {
        let (snapshot, nobody) = (flags.snapshot(), Context::anonymous());
        let all = snapshot.all(&nobody);
        let size = all.len();
        let keys: Vec<_> = all.map(|(key, _)| key.to_owned()).collect();
        assert_eq!(size, keys.len());
        keys
    };

    assert_eq!(all(), ["m", "z"]);
    memory.insert("q", true);
    assert_eq!(all(), ["m", "q", "z"]);
    memory.insert("a", true);
    memory.remove("q");
    assert_eq!(all(), ["a", "m", "z"]);
    memory.insert("q", false);
    memory.remove("z");
    assert_eq!(all(), ["a", "m", "q"]);
}

#[tokio::test]
async fn an_unknown_flag_is_the_callers_default() {
    let flags = start(&[], Memory::new()).await;
    let nobody = Context::anonymous();

    let answer = flags.boolean("nope", &nobody, true);

    assert!(answer.value);
    assert_eq!(answer.reason, Reason::Error);
    assert_eq!(answer.error_code, Some(ErrorCode::FlagNotFound));
    assert_eq!(answer.source, None);
    assert!(!flags.is_enabled("nope", &nobody));
    assert!(!flags.boolean("nope", &nobody, false).value);
}

#[tokio::test]
async fn the_same_salt_draws_the_same_users() {
    let half = Definition::new().percentage(Percentage::whole(50).unwrap());
    let memory = Memory::new()
        .with("a", half.clone().salt("shared"))
        .with("b", half.clone().salt("shared"))
        .with("c", half);
    let flags = start(&[], memory).await;
    let drawn = |key: &str| -> Vec<bool> {
        let user = |n: u32| Context::user(format!("user-{n}"));
        (0..100).map(|n| flags.is_enabled(key, &user(n))).collect()
    };

    assert_eq!(drawn("a"), drawn("b"));
    assert_ne!(drawn("a"), drawn("c"));
}

#[tokio::test]
async fn a_resolved_flag_answers_like_its_name_in_any_flags() {
    let flags = start(&[], Memory::new().with("a", true)).await;
    let others = start(&[], Memory::new().with("x", true).with("a", false)).await;
    let nobody = Context::anonymous();
    let a = flags.flag("a");
    let later = flags.flag("later");

    assert!(flags.is_enabled(&a, &nobody));
    assert!(!others.is_enabled(&a, &nobody));
    assert!(!flags.is_enabled(&later, &nobody));

    flags.enable("later").await.unwrap();
    flags.clear("a").await.unwrap();

    assert!(flags.is_enabled(&later, &nobody));
    assert_eq!(flags.boolean(&a, &nobody, false).error_code, Some(ErrorCode::FlagNotFound));

    flags.enable("a").await.unwrap();

    assert!(flags.is_enabled(&a, &nobody));
}

#[tokio::test]
async fn an_allowed_user_has_the_same_reason_with_and_without_a_deny_list() {
    let all = Definition::new().percentage(Percentage::HUNDRED).allowed_users(["ana"]);
    let denying = all.clone().denied_users(["mallory"]);
    let flags = start(&[], Memory::new().with("a", all).with("b", denying)).await;

    for key in ["a", "b"] {
        let answer = flags.boolean(key, &Context::user("ana"), false);

        assert_eq!((answer.reason, answer.cause), (Reason::TargetingMatch, Cause::AllowedUser));
        assert_eq!(flags.boolean(key, &Context::user("bob"), false).reason, Reason::Default);
    }
}

#[tokio::test]
async fn a_rejected_flag_without_a_former_definition_can_only_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    let text = "[flags.bad]\nonwer = \"x\"\ndenied_users = [\"mallory\"]\n[flags.needs]\nrequires = [\"bad\"]\n";
    std::fs::write(&path, text).unwrap();
    let above = Memory::new();
    let flags = Flags::builder().source(above.clone()).source(File::open(&path).unwrap());
    let flags = flags.start().await.unwrap();
    let ana = Context::user("ana");
    let ask = |default| {
        let answer = flags.boolean("bad", &ana, default);
        (answer.value, answer.reason, answer.error_code)
    };

    for entry in [None, Some(Entry::Forced(true)), Some(Definition::new().owner("web").into())] {
        if let Some(entry) = entry {
            above.insert("bad", entry);
        }
        for default in [true, false] {
            assert_eq!(ask(default), (default, Reason::Error, Some(ErrorCode::ParseError)));
        }
        assert!(!flags.is_enabled("needs", &ana), "a prerequisite on it is never met");
    }

    above.insert("bad", false);

    assert_eq!(ask(true), (false, Reason::Disabled, None));
}

#[tokio::test]
async fn a_rejected_flag_is_not_answered_by_a_source_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    std::fs::write(&path, "[flags.bad]\ndenied_users = [\"mallory\"]\nexpires = \"never\"\n")
        .unwrap();
    let below = Memory::new().with("bad", true);
    let flags = Flags::builder().source(File::open(&path).unwrap()).source(below);
    let flags = flags.start().await.unwrap();

    let answer = flags.boolean("bad", &Context::user("mallory"), false);

    assert_eq!((answer.value, answer.error_code), (false, Some(ErrorCode::ParseError)));
}
