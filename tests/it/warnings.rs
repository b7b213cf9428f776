//! Values whose effect may surprise their writers, and evaluations that expect another type.

use flagstaff::{
    Context, Definition, Env, Flags, Memory,
    answer::ErrorCode,
    definition::{Entry, Variant, Variants},
    event::{Event, Warning, WarningKind},
    source::Offer,
};

use crate::support::{Act, Scripted, next};

async fn env_over(variables: &[(&str, &str)], memory: Memory) -> Flags {
    let env = Env::with_prefix("FEATURE_").variables(variables.iter().copied());
    Flags::builder().source(env).source(memory).start().await.unwrap()
}

fn seen(flags: &Flags) -> Vec<(String, WarningKind)> {
    flags.warnings().into_iter().map(|warning| (warning.flag, warning.kind)).collect()
}

#[tokio::test]
async fn a_value_that_is_neither_on_nor_off_switches_off_and_is_reported() {
    let sizes = Definition::new().variants([("25%", 1), ("large", 1)]);
    let names = ["a", "b", "c", "d", "on", "off", "empty"];
    let memory = names.iter().fold(Memory::new().with("size", sizes), |memory, name| {
        memory.with(name, Definition::new())
    });
    let variables = [
        ("FEATURE_A", "enabled"),
        ("FEATURE_B", "\"true\""),
        ("FEATURE_C", "100%"),
        ("FEATURE_D", "25"),
        ("FEATURE_ON", "Yes"),
        ("FEATURE_OFF", "no"),
        ("FEATURE_EMPTY", ""),
        ("FEATURE_SIZE", "25%"),
    ];
    let flags = env_over(&variables, memory).await;

    let unclear: Vec<_> = seen(&flags).into_iter().map(|(flag, _)| flag).collect();
    assert_eq!(unclear, ["a", "b", "c", "d"]);
    for flag in &unclear {
        assert!(!flags.is_enabled(&**flag, &Context::user("ana")), "{flag}");
    }
    let warning = &flags.warnings()[1];
    assert_eq!(warning.kind, WarningKind::NeitherOnNorOff);
    assert_eq!(warning.place.as_deref(), Some("FEATURE_B"));
    assert_eq!(
        warning.message,
        "`\"true\"` is neither on nor off, nor a variant, so the flag is off"
    );
    assert_eq!(flags.sources_of("b")[0].warning.as_ref(), Some(&warning.message));
    let explanation = flags.explain("b", &Context::anonymous());
    assert_eq!(explanation.sources[0].warning.as_ref(), Some(&warning.message));
    assert!(explanation.to_string().contains(&warning.message), "{explanation}");
    let health = &flags.health().sources;
    assert_eq!((health[0].warnings, health[1].warnings), (4, 0));
}

#[tokio::test]
async fn a_value_is_reported_once_and_again_after_it_was_fixed() {
    let memory = Memory::new().with("a", Entry::from_text("blue")).with("b", true);
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let mut events = flags.events();
    let warned = |event: Event| match event {
        Event::Warned { mut warnings, .. } => {
            let Warning { flag, message, .. } = warnings.remove(0);
            assert!(warnings.is_empty(), "{warnings:?}");
            (flag, message)
        }
        other => panic!("{other:?}"),
    };

    // The warning for the values at the start comes first.
    assert_eq!(warned(next(&mut events).await).0, "a");

    memory.insert("b", Entry::from_text("25%"));
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    assert!(warned(next(&mut events).await).1.starts_with("`25%`"));

    // No new warning for `b`.
    memory.insert("c", true);
    memory.insert("b", true);
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    assert_eq!(seen(&flags), [("a".to_owned(), WarningKind::NeitherOnNorOff)]);

    memory.insert("b", Entry::from_text("25%"));
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    assert_eq!(warned(next(&mut events).await).0, "b");
}

#[tokio::test]
async fn a_long_value_is_cut_short_in_its_warning() {
    let memory = Memory::new().with("a", Entry::from_text(&"ä".repeat(200_000)));
    let flags = Flags::builder().source(memory).start().await.unwrap();

    let message = flags.warnings().remove(0).message;

    assert!(message.starts_with("`ää") && message.contains("ä…` is neither on"), "{message}");
    assert!(message.chars().count() < 150, "{message}");
}

#[tokio::test]
async fn a_variant_of_a_lower_source_settles_what_a_string_means() {
    let declared = Memory::new().with("color", Definition::new().variants([("red", 1)]));
    let store = Memory::new().with("color", Entry::from_text("blue"));
    let flags = Flags::builder().source(store).source(declared.clone()).start().await.unwrap();
    assert_eq!(seen(&flags), [("color".to_owned(), WarningKind::NeitherOnNorOff)]);

    declared.insert("color", Definition::new().variants([("red", 1), ("blue", 0)]));

    assert_eq!(seen(&flags), []);
    assert_eq!(flags.variant("color", &Context::user("ana"), "none").value, "blue");
}

#[tokio::test]
async fn forced_on_without_a_variant_to_serve_stays_off_and_is_reported() {
    let none_weighs = Definition::new().variants([("a", 0), ("b", 0), ("off", 1)]);
    let all_off = Definition::new().variants([("off", 1)]);
    let one_weighs = Definition::new().variants([("a", 1), ("b", 0)]);
    let declared = Memory::new()
        .with("none_weighs", none_weighs)
        .with("all_off", all_off)
        .with("one_weighs", one_weighs);
    let store = Memory::new()
        .with("none_weighs", true)
        .with("all_off", Entry::from_text("1"))
        .with("one_weighs", true);
    let flags = Flags::builder().source(store).source(declared).start().await.unwrap();

    let warnings = flags.warnings();

    let seen: Vec<_> = warnings.iter().map(|it| (&*it.flag, it.kind, &*it.message)).collect();
    assert_eq!(
        seen,
        [
            (
                "all_off",
                WarningKind::StaysOff,
                "it is forced on and stays off, since each of its variants counts as off"
            ),
            (
                "none_weighs",
                WarningKind::StaysOff,
                "it is forced on and stays off, since none of its variants `a`, `b` has a weight"
            ),
        ]
    );
    assert!(!flags.is_enabled("none_weighs", &Context::user("ana")));
    assert!(flags.is_enabled("one_weighs", &Context::user("ana")));
}

#[tokio::test]
async fn a_variable_of_several_flags_is_reported_by_one_of_them() {
    let memory = Memory::new()
        .with("new-search", Definition::new())
        .with("new.search", Definition::new())
        .with("new_page", Definition::new())
        .with("old-page", Definition::new());
    let variables =
        [("FEATURE_NEW_SEARCH", "1"), ("FEATURE_NEW_PAGE", "1"), ("FEATURE_OLD_PAGE", "enabled")];
    let flags = env_over(&variables, memory.clone()).await;

    let warnings = flags.warnings();
    let shared = warnings.iter().find(|it| it.kind == WarningKind::SeveralFlags).unwrap();
    assert_eq!(
        (&*shared.flag, &*shared.message),
        ("new-search", "`FEATURE_NEW_SEARCH` switches several flags: `new-search`, `new.search`")
    );
    // The environment lists `old_page` too, which is not a flag.
    let unclear: Vec<_> =
        warnings.iter().filter(|it| it.kind == WarningKind::NeitherOnNorOff).collect();
    assert_eq!((unclear.len(), &*unclear[0].flag), (1, "old-page"));

    memory.remove("new.search");
    assert!(flags.warnings().iter().all(|it| it.kind != WarningKind::SeveralFlags));
}

#[tokio::test]
async fn a_whole_number_with_decimals_is_an_integer() {
    let number = |value: f64| {
        let variants = Variants::new().with("only", Variant::new().weight(1).value(value));
        Definition::new().variants(variants)
    };
    let memory = Memory::new()
        .with("whole", number(3.0))
        .with("fraction", number(3.5))
        .with("huge", number(1e300));
    let flags = Flags::builder().source(memory).start().await.unwrap();
    let ana = Context::user("ana");

    assert_eq!(flags.integer("whole", &ana, 0).value, 3);
    assert_eq!(flags.value("whole", &ana, 0_u8).value, 3);
    assert_eq!(flags.float("whole", &ana, 0.0).value.to_bits(), 3.0_f64.to_bits());
    for other in ["fraction", "huge"] {
        let answer = flags.integer(other, &ana, 7);
        assert_eq!(
            (answer.value, answer.error_code),
            (7, Some(ErrorCode::TypeMismatch)),
            "{other}"
        );
        assert_eq!(flags.value(other, &ana, 7_i64).value, 7, "{other}");
    }
}

#[tokio::test]
async fn many_warnings_at_once_are_one_event_and_displace_no_change() {
    let (script, source) = Scripted::new();
    script.send(Act::Publish(Offer::from_iter([("a", true)]))).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    let odd = (0..1_000).map(|n| (format!("f{n}"), Entry::from_text("25%")));
    script.send(Act::Publish(odd.collect())).unwrap();

    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    let Event::Warned { warnings, .. } = next(&mut events).await else { panic!() };
    assert_eq!(warnings.len(), 1_000);
}

#[tokio::test]
async fn a_value_in_a_warning_cannot_start_a_line() {
    let memory = Memory::new().with("a\n\u{1b}[2J", Entry::Text("v\nb: off -> on".into()));
    let flags = Flags::builder().source(memory).start().await.unwrap();

    let warnings = flags.warnings();

    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(!warning.to_string().contains(['\n', '\u{1b}']), "{warning}");
}
