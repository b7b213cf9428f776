//! Flags as constants, from a build script.

use std::{convert::Infallible, fs, path::Path, process::Command};

use flagstaff::{
    Context, Definition, FlagGate, FlagSwitch, Flags, Memory, Reason,
    answer::{Cause, ErrorCode, VariantEnum},
    codegen::Generator,
    definition::{FlagsFile, Prerequisite, edit::Document, from_json},
    gate::Requirement,
    source::Offer,
};
use http::{Request, Response};
use tower::{Layer, ServiceExt};

// Each use of the generated code is in a module of its own, as in a service that denies warnings.
#[deny(warnings)]
mod flag {
    include!("../data/codegen/flags.rs");
}

/// A module that uses none of its generated flags.
#[deny(warnings, clippy::pedantic)]
mod unused {
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
    assert!(!flags.boolean(flag::PAYMENTS_V2, &ana, true).value);
    #[expect(deprecated, reason = "it has expired")]
    let expired = flag::OLD_SEARCH;
    assert!(flags.is_enabled(expired, &ana));
    assert_eq!(flag::PAYMENTS_V2.as_str(), "payments.v2");
}

#[tokio::test]
async fn values_are_constants_of_their_type() {
    let flags = flags().await;
    let ana = Context::user("ana");

    let limit: i64 = flag::value::MAX_UPLOAD_MB;
    let rate: f64 = flag::value::SAMPLE_RATE;
    let region: &str = flag::value::REGION;

    assert_eq!((limit, rate, region), (50, 0.001, "eu-\"west\""));
    assert_eq!(flags.integer(flag::MAX_UPLOAD_MB, &ana, 1).value, limit);
    assert_eq!(flags.float(flag::SAMPLE_RATE, &ana, 1.0).value, rate);
    assert_eq!(flags.string(flag::REGION, &ana, "").value, region);
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
async fn an_enum_asks_for_the_variant_that_is_served() {
    let flags = flags().await;

    for user in ["ana", "bob", "eve"] {
        let context = Context::user(user);
        let named = flags.variant(flag::PRICING_PAGE, &context, "none");

        let answer = flags.variant_of(&context, flag::PricingPage::Self_);

        assert_eq!(answer.map(flag::PricingPage::as_str), named);
        assert_eq!(flags.snapshot().variant_of(&context, flag::PricingPage::Self_), answer);
        assert_eq!(flags.pin(context).variant_of(flag::PricingPage::Self_), answer);
    }
    assert_eq!(flag::PricingPage::FLAG, flag::PRICING_PAGE);
}

#[tokio::test]
async fn a_variant_that_the_enum_lacks_is_the_callers_default_with_an_error_code() {
    let later = Definition::new().variants([("control", 0), ("lower-price", 100)]);
    let flags = Flags::builder().source(Memory::new().with("pricing_page", later)).start();

    let answer = flags.await.unwrap().variant_of(&Context::user("ana"), flag::PricingPage::Self_);

    assert_eq!((answer.value, answer.variant), (flag::PricingPage::Self_, None));
    assert_eq!((answer.reason, answer.cause), (Reason::Error, Cause::UnknownVariant));
    assert_eq!((answer.error_code, answer.source), (Some(ErrorCode::TypeMismatch), Some("memory")));
    assert!(answer.error_details().unwrap().contains("lacks the variant that is served"));
}

#[tokio::test]
async fn an_enum_of_an_unknown_flag_or_one_without_variants_is_the_callers_default() {
    let without = Flags::builder().source(Memory::new().with("pricing_page", true)).start();
    let unknown = Flags::builder().source(Memory::new()).start();

    for (flags, code) in [(without, ErrorCode::TypeMismatch), (unknown, ErrorCode::FlagNotFound)] {
        let answer =
            flags.await.unwrap().variant_of(&Context::user("ana"), flag::PricingPage::Self_);

        assert_eq!((answer.value, answer.error_code), (flag::PricingPage::Self_, Some(code)));
    }
}

#[tokio::test]
async fn a_flag_that_no_source_has_is_the_default() {
    let flags = Flags::builder().source(Memory::new()).start().await.unwrap();

    assert!(!flags.is_enabled(flag::NEW_CHECKOUT, &Context::user("ana")));
    assert!(flags.boolean(flag::NEW_CHECKOUT, &Context::user("ana"), true).value);
}

/// A flag file whose names and descriptions try to break out of the generated code.
const HOSTILE: &str = r####"
[flags."x\ncargo::rustc-link-arg=-evil"]
description = """
```
compile_error!("a test");
```

    compile_error!("an indented test");

~~~rust
compile_error!("another test");
~~~

- [broken], <b> & https://example.com
1. \u202E */ "); compile_error!("code"); //
"""
owner = "*/ \"] fn evil() {} #[doc = \"\n\n    panic!()"

[flags."a`b\n\n```\npanic!()\n```"]
variants = { "```\npanic!()\n```" = 1, "\"} fn evil() {}\\" = 1, "same_a" = 1, "same_b" = 1 }

[flags.old]
expires = 2020-01-01
"####;

/// Runs a tool of the compiler in a directory, and returns what it prints, if it succeeds.
fn tool(directory: &Path, name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(name).args(arguments).current_dir(directory).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

#[test]
fn a_hostile_file_makes_a_crate_without_warnings_and_without_tests() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    // The generated code needs only this part of the library, which itself takes minutes to build.
    let stub = "pub struct FlagName(pub &'static str);\n\
                impl FlagName { pub const fn new(name: &'static str) -> Self { Self(name) } }\n\
                pub mod answer {\n\
                    pub trait VariantEnum: Copy {\n\
                        const FLAG: crate::FlagName;\n\
                        fn from_name(name: &str) -> Option<Self>;\n\
                    }\n\
                }\n";
    let source = Generator::new("flags.toml").source(HOSTILE).unwrap();
    fs::write(directory.join("flagstaff.rs"), stub).unwrap();
    fs::write(directory.join("flags.rs"), source).unwrap();
    let service = "//! A service.\n#![deny(warnings, missing_docs, rustdoc::all)]\n\
                   #[allow(missing_docs, reason = \"a test\")]\n\
                   pub mod flag { include!(\"flags.rs\"); }\n\
                   mod unused { include!(\"flags.rs\"); }\n";
    fs::write(directory.join("service.rs"), service).unwrap();
    let library = ["--edition=2021", "--crate-type=lib"];
    let service = [&["--edition=2021", "service.rs", "-L", "."][..], &["--extern", "flagstaff"]];

    tool(directory, "rustc", &[&library[..], &["flagstaff.rs"]].concat()).unwrap();
    let compile = [&["--crate-type=lib", "--emit=metadata"][..], &service.concat()].concat();
    tool(directory, "rustc", &compile).unwrap();
    tool(directory, "rustdoc", &service.concat()).unwrap();
    let tests = tool(directory, "rustdoc", &[&["--test"][..], &service.concat()].concat());

    assert!(tests.as_ref().is_ok_and(|out| out.contains("running 0 tests")), "{tests:?}");
}

#[tokio::test]
async fn constants_name_the_flags_of_gates_switches_and_requirements() {
    let flags = flags().await;
    let status = async |gate: FlagGate| {
        let (parts, _) = crate::http::answer(gate, crate::http::get("/")).await;
        parts.status.as_u16()
    };

    assert_eq!(status(flags.gate(flag::NEW_CHECKOUT)).await, 200);
    assert_eq!(status(FlagGate::new(flag::PAYMENTS_V2).flags(&flags)).await, 404);
    assert_eq!(status(flags.gate(Requirement::off(flag::PAYMENTS_V2))).await, 200);
    let all = FlagGate::all([flag::NEW_CHECKOUT, flag::PAYMENTS_V2]).flags(&flags);
    assert_eq!(status(all).await, 404);
    let mixed = [Requirement::on(flag::NEW_CHECKOUT), Requirement::off(flag::PAYMENTS_V2)];
    assert_eq!(status(FlagGate::all(mixed).flags(&flags)).await, 200);
    let any = FlagGate::any([flag::NEW_CHECKOUT, flag::PAYMENTS_V2]).flags(&flags);
    assert_eq!(status(any).await, 200);

    let switch = FlagSwitch::new(flag::NEW_CHECKOUT, tower::service_fn(new)).flags(&flags);
    let service = switch.layer(tower::service_fn(old));
    assert_eq!(service.oneshot(Request::new(())).await.unwrap().into_body(), "new");
}

#[tokio::test]
async fn constants_name_the_flags_of_sources_prerequisites_and_edits() {
    let requires = Definition::new().requires([Prerequisite::on(flag::PAYMENTS_V2)]);
    let source = Memory::new().with(flag::NEW_CHECKOUT, requires).with(flag::PAYMENTS_V2, true);
    source.insert(flag::MATCH, false);
    source.remove(flag::MATCH);
    let offer = Offer::from_iter([(flag::_2FA, true)]).with_rejected([flag::MATCH]);
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut document = Document::parse("flags.toml", "[flags]\n").unwrap();
    document.add(flag::NEW_CHECKOUT, &Definition::new().enabled(true)).unwrap();
    document.disable(flag::NEW_CHECKOUT).unwrap();
    let error = from_json(flag::PAYMENTS_V2, r#"{"percentage": 400}"#).unwrap_err();

    let keys: Vec<_> =
        flags.snapshot().all(&Context::anonymous()).map(|(key, _)| key.to_owned()).collect();
    assert_eq!(keys, ["new_checkout", "payments.v2"]);
    assert!(flags.is_enabled(flag::NEW_CHECKOUT, &Context::anonymous()));
    assert_eq!(offer.len(), 1);
    assert_eq!(document.text(), "[flags]\nnew_checkout = false\n");
    assert_eq!(document.file().lines().flag(flag::NEW_CHECKOUT), Some(2));
    assert!(document.file().flags().contains_key(flag::NEW_CHECKOUT));
    assert!(error.to_string().contains("`payments.v2`"), "{error}");
}

async fn new(_: Request<()>) -> Result<Response<&'static str>, Infallible> {
    Ok(Response::new("new"))
}

async fn old(_: Request<()>) -> Result<Response<&'static str>, Infallible> {
    Ok(Response::new("old"))
}
