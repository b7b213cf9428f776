//! Flags as constants, from a build script.

use flagstaff::{Context, Definition, Flags, Memory, definition::FlagsFile};

#[allow(unreachable_pub, reason = "what is generated can be part of a public module")]
mod flag {
    include!("../data/codegen/flags.rs");
}

const TEXT: &str = include_str!("../data/codegen/flags.toml");

async fn flags() -> Flags {
    let file = FlagsFile::parse("flags.toml", TEXT);
    let source = file.flags().iter().fold(Memory::new(), |source, (key, definition)| {
        source.with(key, Definition::clone(definition))
    });
    Flags::builder().source(source).start().await.unwrap()
}

#[tokio::test]
async fn constants_ask_for_the_flags_that_they_are_made_of() {
    let flags = flags().await;
    let ana = Context::user("ana");

    assert!(flags.is_enabled(flag::NEW_CHECKOUT, &ana));
    assert!(flags.is_enabled(flag::MATCH, &ana));
    assert!(flags.is_enabled(flag::_2FA, &ana));
    assert!(!flags.is_enabled_or(flag::PAYMENTS_V2, &ana, true));
    #[expect(deprecated, reason = "it has expired")]
    let expired = flag::OLD_SEARCH;
    assert!(flags.is_enabled(expired, &ana));
    assert_eq!(flag::PAYMENTS_V2.as_str(), "payments.v2");
}

#[tokio::test]
async fn the_served_variant_is_one_of_the_enum() {
    let flags = flags().await;

    for user in ["ana", "bob", "eve"] {
        let served = flags.variant(flag::PRICING_PAGE, &Context::user(user), "none").value;
        let variant = flag::PricingPage::from_name(served).unwrap();

        assert!(flag::PricingPage::ALL.contains(&variant));
        assert_eq!(variant.as_str(), served);
    }
    assert_eq!(flag::PricingPage::Self_.as_str(), "self");
    assert_eq!(flag::PricingPage::from_name("none"), None);
}

#[tokio::test]
async fn a_flag_that_no_source_has_is_asked_for_as_ever() {
    let flags = Flags::builder().source(Memory::new()).start().await.unwrap();

    assert!(!flags.is_enabled(flag::NEW_CHECKOUT, &Context::user("ana")));
    assert!(flags.is_enabled_or(flag::NEW_CHECKOUT, &Context::user("ana"), true));
}
