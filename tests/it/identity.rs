//! Sources of one kind, which differ only by their positions in the stack.

use std::{fs, path::Path};

use flagstaff::{
    Context, Definition, File, Flags, Memory, Percentage, Reason,
    definition::Field,
    event::{ChangeCause, Event},
    source::{RedisError, RedisErrorKind, SourceKind, Status},
};
use metrics::set_default_local_recorder;
use metrics_util::debugging::DebuggingRecorder;

use crate::{
    metrics::{counted, read},
    redis::server::{Server, patient},
    support::{BOUND, next},
};

fn requires(flag: &str) -> Definition {
    Definition::new().requires([flag])
}

/// Returns the status of each source.
fn status(flags: &Flags) -> Vec<(&'static str, Status)> {
    let sources = flags.health().sources.into_iter();
    sources.map(|source| (source.name, source.status)).collect()
}

#[tokio::test]
async fn a_cycle_in_the_lower_memory_is_not_blamed_on_the_upper_one() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let lower = Memory::new().with("a", requires("b"));
    let flags = Flags::builder().source(Memory::new()).source(lower.clone());
    let flags = flags.start().await.unwrap();
    let mut events = flags.events();

    lower.insert("b", requires("a"));

    assert_eq!(status(&flags), [("memory", Status::Ready), ("memory#2", Status::Error)]);
    let Event::Changed { cause: ChangeCause::Source(source), .. } = next(&mut events).await else {
        panic!()
    };
    assert_eq!((source.position, source.kind, source.name), (1, SourceKind::Memory, "memory#2"));
    let Event::Failed { source, kind, .. } = next(&mut events).await else { panic!() };
    assert_eq!((source.position, kind), (1, "prerequisites"));
    let blamed = r#"flagstaff_source_failures_total{source="memory#2",kind="prerequisites"}"#;
    let counted = counted(&metrics, "flagstaff_source_failures_total");
    assert_eq!(counted.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), [blamed]);

    lower.remove("b");

    assert!(flags.health().is_ready());
    while let event = next(&mut events).await
        && !matches!(event, Event::Recovered { source, .. } if source.position == 1)
    {
        assert!(!matches!(event, Event::Recovered { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn a_cycle_in_the_lower_memory_is_blamed_on_it_from_the_start() {
    let lower = Memory::new().with("a", requires("b")).with("b", requires("a"));
    let flags = Flags::builder().source(Memory::new()).source(lower).start().await.unwrap();

    let first = flags.events().next().await;

    assert!(matches!(first, Some(Event::Failed { source, .. }) if source.position == 1));
    assert_eq!(status(&flags), [("memory", Status::Ready), ("memory#2", Status::Error)]);
}

#[tokio::test]
async fn answers_explanations_and_drift_distinguish_two_memories() {
    let declared = Definition::new().owner("payments").percentage(Percentage::HUNDRED);
    let upper = Memory::new().with("off", false);
    let lower = Memory::new().with("on", declared.clone()).with("off", declared);
    let flags = Flags::builder().source(upper).source(lower).start().await.unwrap();
    let ana = Context::user("ana");

    let [off, on] = ["off", "on"].map(|key| flags.boolean(key, &ana, false));
    let explanation = flags.explain("off", &ana);

    assert_eq!((off.source, on.source), (Some("memory"), Some("memory#2")));
    let sources: Vec<_> = explanation.sources.iter().map(|trace| trace.source).collect();
    assert_eq!(sources, ["memory", "memory#2"]);
    let owner = explanation.settings.iter().find(|setting| setting.field == Field::Owner);
    assert_eq!(owner.map(|owner| owner.source), Some("memory#2"));
    let said = flags.sources_of("off");
    assert_eq!(said.iter().map(|said| said.source.position).collect::<Vec<_>>(), [0, 1]);
    let drift = flags.drift();
    assert_eq!((drift.len(), &*drift[0].key), (1, "off"));
    assert_eq!(flags.writable_source(), Some(said[0].source));
}

#[tokio::test]
async fn an_error_of_a_change_names_the_source_that_refused_it() {
    let env = flagstaff::Env::with_prefix("F_").variables([("", ""); 0]);
    let flags = Flags::builder().source(env).source(Memory::new()).source(Memory::new());
    let flags = flags.start().await.unwrap();

    let error = flags.enable("a").if_revision(7).await.unwrap_err();

    assert!(error.to_string().contains("`memory`"), "{error}");
    assert_eq!(flags.writable_source().map(|source| source.position), Some(1));
}

#[tokio::test]
async fn a_mistake_in_one_of_two_files_is_blamed_on_that_file() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let upper = write("upper.toml", "[flags]\na = true\n");
    let lower = write("lower.toml", "[flags]\nb = true\n");
    let open = |path: &Path| File::open(path).unwrap();
    let flags = Flags::builder().source(open(&upper)).source(open(&lower)).start().await.unwrap();
    let mut events = flags.events();

    write("lower.toml", "[flags]\nb = 1\n");

    let Event::Failed { source, kind, .. } = next(&mut events).await else { panic!() };
    assert_eq!((source.position, source.kind, kind), (1, SourceKind::File, "invalid"));
    assert_eq!(status(&flags), [("file", Status::Ready), ("file#2", Status::Error)]);
    assert_eq!(flags.boolean("b", &Context::anonymous(), false).source, Some("file#2"));
    let metrics = read(&metrics);
    assert_eq!(metrics[r#"flagstaff_source_status{source="file",status="READY"}"#], 1.0);
    assert_eq!(metrics[r#"flagstaff_source_status{source="file#2",status="ERROR"}"#], 1.0);
    assert_eq!(metrics[r#"flagstaff_flags_refused_total{source="file#2"}"#], 1.0);
}

#[tokio::test]
async fn the_loss_of_one_of_two_stores_is_blamed_on_that_store() {
    let (team, mut company) = (Server::start(), Server::start());
    team.cli(&["HSET", "feature_flags", "a", "1"]);
    company.cli(&["HSET", "feature_flags", "b", "1"]);
    let open = |server: &Server| patient(&server.url());
    let flags = Flags::builder().source(open(&team)).source(open(&company)).max_wait(BOUND);
    let flags = flags.start().await.unwrap();
    let mut events = flags.events();

    company.kill();

    let Event::Failed { source, error, .. } = next(&mut events).await else { panic!() };
    assert_eq!((source.position, source.kind), (1, SourceKind::Redis));
    let error = error.downcast_ref::<RedisError>().unwrap();
    assert!(matches!(error.kind(), RedisErrorKind::Lost | RedisErrorKind::Unreachable));
    assert_eq!(status(&flags), [("redis", Status::Ready), ("redis#2", Status::Error)]);
    let [a, b] = ["a", "b"].map(|key| flags.boolean(key, &Context::anonymous(), false));
    assert_eq!((a.source, b.source), (Some("redis"), Some("redis#2")));
    assert_eq!((a.reason, b.reason), (Reason::Static, Reason::Static));
    flags.enable("c").await.unwrap();
    assert_eq!(team.cli(&["HGET", "feature_flags", "c"]), "1");
}
