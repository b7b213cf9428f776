//! Changes of flags at run time, in every writable source.

use std::time::{Duration, SystemTime};

use flagstaff::{
    Context, Definition, FlagKey, FlagName, Flags, Memory, Percentage, WriteError,
    answer::FlagState,
    definition::{Entry, Field, Rollout, Stage},
    source::WritableBackend,
    write::Refusal,
};

async fn over(declared: Memory) -> Flags {
    Flags::builder().source(Memory::new()).source(declared).start().await.unwrap()
}

fn percent(percent: u32) -> Definition {
    Definition::new().percentage(Percentage::whole(percent).unwrap())
}

#[tokio::test]
async fn a_change_has_its_author_and_reason() {
    let flags = over(Memory::new()).await;
    let before = SystemTime::now();

    flags.enable("beta").author("ana").reason("demo").await.unwrap();

    let [source] = &flags.sources_of("beta")[..] else { panic!("one source says something") };
    let by = source.provenance.as_ref().unwrap();
    assert_eq!((by.author.as_deref(), by.reason.as_deref()), (Some("ana"), Some("demo")));
    assert!(by.at.unwrap() >= before);
    assert_eq!(by.age(before - Duration::from_secs(1)), None);
}

#[tokio::test]
async fn a_new_entry_without_an_author_has_no_author() {
    let memory = Memory::new();
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();

    flags.enable("beta").author("ana").await.unwrap();
    memory.insert("beta", false);

    assert_eq!(flags.sources_of("beta")[0].provenance, None);
}

#[tokio::test]
async fn a_change_on_a_condition_is_made_once() {
    let flags = over(Memory::new()).await;
    let first = flags.set("beta", percent(10)).author("ana").await.unwrap().revision.unwrap();

    let second = flags.set("beta", percent(20)).author("bob").if_revision(first).await.unwrap();
    let third = flags.set("beta", percent(30)).author("eve").if_revision(first).await;

    let error = third.unwrap_err();
    let WriteError::Conflict { name: "memory", conflict, .. } = &error else { panic!("{error}") };
    assert_eq!(conflict.author.as_deref(), Some("bob"));
    assert_eq!(conflict.revision, second.revision);
    let entry = &flags.sources_of("beta")[0].entry;
    assert_eq!(*entry, Entry::from(percent(20)));
    let revision = second.revision.unwrap();
    assert_eq!(
        format!("{error:?}"),
        format!(
            "source `memory` did not change the flag: it was changed since: the source now has \
             `a definition of percentage`, by bob in revision {revision}"
        )
    );
}

#[tokio::test]
async fn a_field_is_removed_and_the_last_one_with_the_whole_override() {
    let flags = over(Memory::new().with("beta", percent(10).owner("web"))).await;
    let said = |flags: &Flags| {
        let sources = flags.sources_of("beta").into_iter().map(|source| source.entry);
        (sources.collect::<Vec<_>>(), flags.watch("beta").borrow().to_string())
    };
    let declared = Entry::from(percent(10).owner("web"));
    flags.set("beta", percent(50).owner("ana")).await.unwrap();

    flags.set("beta", Definition::new()).inheriting([Field::Percentage]).await.unwrap();
    let owner = Entry::from(Definition::new().owner("ana"));
    assert_eq!(said(&flags), (vec![owner, declared.clone()], "10%".to_owned()));

    flags.set("beta", percent(20)).inheriting([Field::Owner]).await.unwrap();
    flags.set("beta", Definition::new()).inheriting([Field::Percentage]).await.unwrap();
    assert_eq!(said(&flags), (vec![declared], "10%".to_owned()));

    flags.enable("beta").await.unwrap();
    let whole = flags.set("beta", percent(5)).inheriting([Field::Enabled]).await.unwrap_err();
    assert!(format!("{whole:?}").contains("clear it as a whole"), "{whole:?}");
}

#[tokio::test]
async fn a_patch_of_what_is_off_stays_off_until_it_is_switched_on() {
    let flags = over(Memory::new().with("beta", percent(10).allowed_users(["ana"]))).await;
    flags.disable("beta").await.unwrap();

    flags.set("beta", percent(25)).await.unwrap();
    let off = Entry::from(percent(25).enabled(false));
    assert_eq!(flags.sources_of("beta")[0].entry, off);

    flags.set("beta", Definition::new().enabled(true)).await.unwrap();
    assert_eq!(flags.watch("beta").borrow().to_string(), "25%, 1 allowed");
}

#[tokio::test]
async fn fields_are_removed_only_by_a_set() {
    let memory = Memory::new();
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    flags.set("beta", percent(10)).await.unwrap();

    for change in [Flags::enable, Flags::disable, Flags::clear] {
        let refused = change(&flags, "beta").inheriting([Field::Percentage]).await.unwrap_err();
        let WriteError::Unsupported { name: "memory", .. } = refused else { panic!("{refused}") };
        let write = change(&flags, "beta").inheriting([Field::Percentage]).into();
        let refused = memory.write("beta", write).await.unwrap_err();
        assert!(matches!(refused, Refusal::Unsupported(_)), "{refused}");
    }
    assert_eq!(flags.sources_of("beta")[0].entry, Entry::from(percent(10)));
}

#[tokio::test]
async fn an_end_needs_a_source_that_can_keep_it() {
    let flags = over(Memory::new()).await;

    let error = flags.enable("beta").expires_in(Duration::from_secs(60)).await.unwrap_err();

    assert!(matches!(error, WriteError::Unsupported { name: "memory", .. }), "{error}");
    assert!(!flags.is_enabled("beta", &Context::anonymous()));
}

#[tokio::test]
async fn a_constant_or_a_resolved_flag_names_a_flag_wherever_a_string_does() {
    async fn change(key: impl FlagKey + Clone) {
        let stages = [Stage::new(Percentage::HUNDRED)];
        let declared = Definition::new().rollout(Rollout::new(stages));
        let flags = over(Memory::new().with("beta", declared)).await;
        let state = flags.watch(key.clone());

        flags.disable(key.clone()).await.unwrap();
        assert_eq!(*state.borrow(), FlagState::Off);
        flags.enable(key.clone()).await.unwrap();
        assert_eq!(*state.borrow(), FlagState::On);
        flags.set(key.clone(), percent(10)).await.unwrap();
        assert_eq!(state.borrow().to_string(), "10%");
        flags.clear(key.clone()).await.unwrap();
        flags.rollout(key.clone()).start().await.unwrap();
        assert_eq!(*state.borrow(), FlagState::On);

        assert_eq!(flags.sources_of(key.clone()).len(), 2);
        assert_eq!(flags.flag(key.clone()).as_str(), "beta");
        assert_eq!(flags.explain(key.clone(), &Context::anonymous()).key, "beta");
        assert!(flags.snapshot().info(key.clone()).is_some());
        let history = flags.history_of(key, 1).await;
        assert!(matches!(history, Err(WriteError::Unsupported { .. })));
    }
    const BETA: FlagName = FlagName::new("beta");

    change(BETA).await;
    change(over(Memory::new()).await.flag("beta")).await;
    change("beta").await;
    change(String::from("beta")).await;
}

#[tokio::test]
async fn a_source_without_a_log_says_so() {
    let flags = over(Memory::new()).await;
    let written = flags.enable("beta").await.unwrap();

    let history = flags.history(10).await.unwrap_err();
    let undone = flags.undo(written.revision.unwrap()).author("ana").await.unwrap_err();

    assert_eq!(history.to_string(), "source `memory` cannot list changes: it keeps no log");
    assert_eq!(undone.to_string(), "source `memory` cannot undo changes: it keeps no log");
}

#[tokio::test]
async fn drift_is_what_overrides_change_field_by_field() {
    let declared = Memory::new()
        .with("partly", percent(10).owner("search"))
        .with("same", true)
        .with("untouched", true);
    let flags = over(declared).await;

    flags.set("partly", percent(25)).author("ana").await.unwrap();
    flags.enable("same").await.unwrap();
    flags.disable("mispelled").await.unwrap();

    let drift = flags.drift();
    let keys: Vec<_> = drift.iter().map(|drift| &*drift.key).collect();
    assert_eq!(keys, ["mispelled", "partly", "same"]);
    assert!(drift[0].is_undeclared());
    assert_eq!(drift[1].fields, [Field::Percentage]);
    assert_eq!(drift[1].declared.as_ref(), Some(&percent(10).owner("search")));
    assert_eq!(drift[1].overridden, percent(25).owner("search"));
    assert_eq!(drift[2].fields, []);

    flags.clear("partly").await.unwrap();
    assert_eq!(flags.drift().len(), 2);
}
