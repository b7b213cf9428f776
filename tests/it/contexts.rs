//! Contexts from the types in which services keep ids and attributes.

use std::time::{Duration, SystemTime};

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage,
    answer::Cause,
    definition::{Condition, Operator, Rule, Serve},
};
use uuid::Uuid;

async fn flags(definition: Definition) -> Flags {
    Flags::builder().source(Memory::new().with("a", definition)).start().await.unwrap()
}

#[tokio::test]
async fn a_list_names_users_and_groups_whose_ids_are_not_strings() {
    let uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    let definition = Definition::new()
        .percentage(Percentage::ZERO)
        .allowed_users(["42", "67e55044-10b1-426f-9247-bb680e5fe0c8"].map(str::to_owned))
        .allowed_groups(["7".to_owned()]);
    let flags = flags(definition).await;

    assert!(flags.is_enabled("a", &Context::user(42_u64)));
    assert!(flags.is_enabled("a", &Context::user(Some(42_i64))));
    assert!(flags.is_enabled("a", &Context::user(uuid)));
    assert!(flags.is_enabled("a", &Context::user("ana").group(7_usize)));
    assert!(!flags.is_enabled("a", &Context::user(43_u64)));
    assert!(!flags.is_enabled("a", &Context::user(None::<u64>)));
}

#[tokio::test]
async fn a_number_has_the_bucket_of_its_digits() {
    let half = Percentage::whole(50).unwrap();
    let flags = flags(Definition::new().percentage(half)).await;

    for id in (0..64).chain([u64::MAX]) {
        let (number, string) = (Context::user(id), Context::user(id.to_string()));

        assert_eq!(flags.is_enabled("a", &number), flags.is_enabled("a", &string), "{id}");
    }
}

#[tokio::test]
async fn the_bucket_of_an_integer_attribute_does_not_depend_on_its_type() {
    let half = Percentage::whole(50).unwrap();
    let rule = Rule::new(Condition::All(Vec::new()), Serve::Percentage(half)).bucket_by("account");
    let flags = flags(Definition::new().rules([rule])).await;

    for id in (0..64).chain([u64::MAX]) {
        let number = Context::anonymous().attribute("account", id);
        let string = Context::anonymous().attribute("account", id.to_string());

        assert_eq!(flags.boolean("a", &number, false).cause, Cause::RuleSplit(0), "{id}");
        assert_eq!(flags.is_enabled("a", &number), flags.is_enabled("a", &string), "{id}");
    }
}

#[tokio::test]
async fn a_system_time_is_an_instant_for_the_operators_of_dates() {
    let since = Condition::compare("since", Operator::Before, "2026-11-01T00:00:00Z");
    let off = Rule::new(since.unwrap(), Serve::Off);
    let flags = flags(Definition::new().rules([off])).await;
    // 2026-11-01
    let boundary = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_491_200);
    let is_enabled =
        |since: SystemTime| flags.is_enabled("a", &Context::anonymous().attribute("since", since));

    assert!(is_enabled(boundary));
    assert!(!is_enabled(boundary - Duration::from_nanos(1)));
    assert!(!is_enabled(SystemTime::UNIX_EPOCH - Duration::from_secs(1)));
}

#[tokio::test]
async fn an_attribute_of_none_is_missing() {
    let known = Condition::compare("plan", Operator::Exists, true);
    let flags = flags(Definition::new().rules([Rule::new(known.unwrap(), Serve::Off)])).await;

    assert!(flags.is_enabled("a", &Context::user("ana").attribute("plan", None::<&str>)));
    assert!(!flags.is_enabled("a", &Context::user("ana").attribute("plan", Some("pro"))));
}
