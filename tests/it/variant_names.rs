//! The bound on the names of variants, which a process keeps for its life.

use std::{env, process::Command, time::Duration};

use flagstaff::{
    Context, Definition, Flags, Memory, Redis,
    answer::FlagState,
    definition::{Code, FlagsFile, Variants, from_json},
    event::Event,
    source::{Offer, Status},
};

use crate::support::{Act, Scripted, next};

/// Set for the process that fills its list of names.
const FULL: &str = "FLAGSTAFF_TEST_VARIANT_NAMES";

fn variants(names: impl IntoIterator<Item = String>) -> Definition {
    Definition::new().variants(names.into_iter().map(|name| (name, 1)).collect::<Variants>())
}

/// Runs the test below in a process of its own, since all other tests need names, too.
#[test]
fn a_process_with_100_000_names_of_variants_rejects_new_ones_and_goes_on() {
    let run = Command::new(env::current_exe().unwrap())
        .args(["--exact", "variant_names::a_full_process"])
        .env(FULL, "1")
        .output()
        .unwrap();

    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{output}{}", String::from_utf8_lossy(&run.stderr));
    assert!(output.contains("1 passed"), "{output}");
}

/// Does nothing, except in the process that the test above starts.
#[tokio::test]
async fn a_full_process() {
    if env::var_os(FULL).is_none() {
        return;
    }
    let names = |flag: usize| (0..100).map(move |name| format!("{flag}-{name}"));
    let all = (0..1_000).map(|flag| (flag.to_string(), variants(names(flag))));
    let (script, custom) = Scripted::new();
    script.send(Act::Publish(Offer::from_iter([("custom", true)]))).unwrap();
    let (full, names) = Scripted::new();
    full.send(Act::Publish(all.collect())).unwrap();
    let memory = Memory::new();
    let flags = Flags::builder().source(memory.clone()).source(custom).source(names);
    let flags = flags.start().await.unwrap();
    let ana = Context::user("ana");
    assert!(flags.health().is_ready());
    assert_eq!(flags.variant("999", &ana, "").value.split('-').next(), Some("999"));

    // Names that are kept already take no room.
    flags.set("a", variants(["0-0".to_owned(), "999-99".to_owned()])).await.unwrap();

    let refused = flags.set("a", variants(["new".to_owned()])).await.unwrap_err();
    let refused = format!("{refused:?}");
    assert!(refused.contains("`new` is one name too many"), "{refused}");
    assert!(flags.variant("a", &ana, "").value.contains('-'));

    let mut events = flags.events();
    let offer = [("custom", variants(["new".to_owned()])), ("other", Definition::new())];
    script.send(Act::Publish(Offer::from_iter(offer))).unwrap();
    let Event::Changed { changes, .. } = next(&mut events).await else { panic!("no change") };
    assert_eq!(changes.iter().map(|change| &*change.key).collect::<Vec<_>>(), ["other"]);
    let Event::Failed { source, error, .. } = next(&mut events).await else { panic!() };
    assert_eq!(source.name, "scripted");
    assert!(format!("{error:?}").contains("flag `custom` keeps its last good"), "{error:?}");
    assert!(flags.is_enabled("custom", &ana));

    memory.insert("b", variants(["new".to_owned()]));
    assert_eq!(flags.health().sources[0].status, Status::Error);
    assert!(flags.snapshot().info("b").is_none());
    memory.remove("b");
    assert_eq!(flags.health().sources[0].status, Status::Ready);

    // A source that only revises its offer has not published, whatever mistake the offer has.
    let (silent, source) = Scripted::new();
    let offer = [("custom", variants(["new".to_owned()])), ("other", Definition::new())];
    silent.send(Act::Revise(Offer::from_iter(offer))).unwrap();
    let flags = Flags::builder().source(source).max_wait(Duration::from_millis(1));
    let flags = flags.start().await.unwrap();
    flags.watch("other").wait_for(|other| *other == FlagState::On).await.unwrap();
    let health = &flags.health().sources[0];
    assert_eq!((health.status, health.age), (Status::Error, None));
    silent.send(Act::Publish(Offer::from_iter([("other", true)]))).unwrap();
    let recovered = async |flags: &Flags| {
        let mut events = flags.events();
        while !flags.health().is_ready() {
            next(&mut events).await;
        }
    };
    recovered(&flags).await;

    let text = "[flags]\nold = true\n[flags.c]\nvariants = { x = 1, y = 1 }\n";
    let file = FlagsFile::parse("flags.toml", text);
    let codes: Vec<_> = file.diagnostics().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::TooManyVariantNames]);
    assert_eq!(file.diagnostics().iter().next().unwrap().location.line, 4);
    assert!(file.flags().contains_key("old") && !file.flags().contains_key("c"));

    let json = r#"{"requires": [{"flag": "b", "variant": "x"}]}"#;
    let error = from_json("d", json).unwrap_err();
    assert!(error.to_string().contains("`x` exceeds the limit"), "{error}");
    let redis = Redis::open("redis://127.0.0.1/").unwrap().handle();
    let error = redis.decode("d", json).unwrap_err();
    assert!(error.to_string().contains("`x` exceeds the limit"), "{error}");
}
