//! Checks that the flags of the guide and the README answer as the sentences beside them claim.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Flags, Memory, Reason,
    answer::Value,
    context::Anonymous,
    definition::{Entry, FlagsFile},
};
use http::Request;
use tower::{ServiceBuilder, ServiceExt};

use crate::support::{Act, GUIDE, Scripted};

const README: &str = include_str!("../../README.md");

/// Each block of the pages, by its page and a line that no other block of that page has.
const BLOCKS: &[(&str, &str)] = &[
    (GUIDE, "search_v2 = \"25%\""),
    (GUIDE, "[flags.checkout_v2.rollout]"),
    (GUIDE, "[flags.black_friday]"),
    (GUIDE, "permanent = true "),
    (GUIDE, "issue = \"PAY-412\" "),
    (GUIDE, "name = \"a quarter of the companies that pay\""),
    (GUIDE, "[flags.seat_price]"),
    (GUIDE, "[flags.express_checkout]"),
    (GUIDE, "[flags.search_timeout_ms.variants]"),
    (GUIDE, "[flags.load_generator.variants]"),
    (GUIDE, "[flags.pricing_experiment]"),
    (GUIDE, "[flags.verbose_tracing]"),
    (GUIDE, "requires = [\"payments_v3\", {"),
    (GUIDE, "name = \"German pros are in\""),
    (GUIDE, "[environments.production.pricing_page]"),
    (GUIDE, "on_stale = \"declared\""),
    (README, "# flags.toml"),
];

/// A function that returns a context for each number.
type Contexts = fn(usize) -> Context<'static>;

#[derive(Debug, Clone, PartialEq)]
enum Expected {
    On(Reason),
    Off(Reason),
    /// The variant of this name, with this value.
    Variant(&'static str, Value<'static>),
    /// This value, which is not the value of a variant.
    Constant(Value<'static>),
    /// On for this percentage of the contexts.
    Percent(f64),
    /// The variant of this name for this percentage of the contexts.
    PercentOf(&'static str, f64),
    /// Equal answers for a hundred contexts.
    Alike,
    /// On for this percentage of requests.
    PercentOfRequests(f64),
    /// On by its declaration, after the source that forces the flag off has been lost for that long.
    OnAfterLoss(Duration),
}

use Expected::{Alike, Off, On, OnAfterLoss, Percent, PercentOf, PercentOfRequests};

/// A sentence of a page, and the answer of a flag in a block if the sentence is true.
struct Case {
    sentence: &'static str,
    flag: &'static str,
    contexts: Contexts,
    expected: Expected,
    at: SystemTime,
    /// The entry of a stronger source for the flag.
    above: Option<Entry>,
    /// Flags that are declared elsewhere.
    beside: &'static str,
    /// The environment of the file.
    environment: Option<&'static str>,
}

fn at(time: &str) -> SystemTime {
    time.parse::<jiff::Timestamp>().unwrap().try_into().unwrap()
}

fn case(
    sentence: &'static str,
    flag: &'static str,
    contexts: Contexts,
    expected: Expected,
) -> Case {
    let at = at("2026-11-21T00:00:00Z");
    Case { sentence, flag, contexts, expected, at, above: None, beside: "", environment: None }
}

impl Case {
    fn at(self, time: &str) -> Self {
        Self { at: at(time), ..self }
    }

    fn forced(self, on: bool) -> Self {
        Self { above: Some(Entry::Forced(on)), ..self }
    }

    fn within(self, environment: &'static str) -> Self {
        Self { environment: Some(environment), ..self }
    }

    fn beside(self, beside: &'static str) -> Self {
        Self { beside, ..self }
    }
}

fn users(n: usize) -> Context<'static> {
    Context::user(format!("user-{n}"))
}

fn anonymous(_: usize) -> Context<'static> {
    Context::anonymous()
}

fn mallory(_: usize) -> Context<'static> {
    Context::user("mallory")
}

fn eve(_: usize) -> Context<'static> {
    Context::user("eve")
}

fn mallory_who_is_employed(n: usize) -> Context<'static> {
    mallory(n).group("employees")
}

fn banned(n: usize) -> Context<'static> {
    users(n).group("banned")
}

fn tester(_: usize) -> Context<'static> {
    Context::user("internal_tester_1")
}

fn employees(n: usize) -> Context<'static> {
    users(n).group("employees")
}

fn old_ios(n: usize) -> Context<'static> {
    users(n).attribute("os", "ios").attribute("app_version", "5.1.9")
}

fn german_pros(n: usize) -> Context<'static> {
    users(n).attribute("country", "DE").attribute("plan", "pro")
}

fn trials(n: usize) -> Context<'static> {
    users(n).attribute("plan", "trial")
}

fn americans(n: usize) -> Context<'static> {
    users(n).attribute("country", "US")
}

fn company(id: usize, user: usize) -> Context<'static> {
    let company = [("id", Value::from(id as i64)), ("seats", Value::from(12))];
    german_pros(user).attribute("company", company.into_iter().collect::<Value<'_>>())
}

fn companies(n: usize) -> Context<'static> {
    company(n, 0)
}

fn colleagues(n: usize) -> Context<'static> {
    company(7, n)
}

fn without_id(n: usize) -> Context<'static> {
    let company = [("seats", Value::from(12))].into_iter().collect::<Value<'_>>();
    german_pros(n).attribute("company", company)
}

fn resellers(n: usize) -> Context<'static> {
    german_pros(n).group("resellers")
}

/// The claims of the sentences, block by block in the order of [`BLOCKS`].
fn claims() -> Vec<Vec<Case>> {
    let declared = "A flag is `true`, `false`, a percentage in quotes, or a table";
    let steps = "deny-lists win over allow-lists, and `enabled = false` wins over everything";
    let rollout = "A rollout is a percentage that grows by itself";
    let by_hand = "or by hand; without `start`, a person starts it";
    let window = "Outside the window the flag is off for all users, with the reason `DISABLED`";
    let rules = "Rules come after the lists and before the percentage";
    let by_attribute = "`bucket_by` names the attribute to draw by, in place of the targeting key";
    let variants = "A flag can serve one of several variants in place of on and off. Each variant has a weight";
    let one_for_all =
        "A flag can carry a value without variants, and can serve one variant without a draw";
    let facts = "These settings do not change an evaluation.";
    let experiment = "`traffic` is the share of users in an experiment";
    let complement = "the rule above also matches users without a country";
    let neither = "A condition on such a flag is unknown";
    let prerequisites = "A flag can require that other flags are on for the same context, are off, or \
                         serve a variant";
    let unmet =
        "If a prerequisite is not met, the flag is off, with the cause [`Cause::Prerequisite`]";
    let lost = "ignores the lost source; the other sources decide";
    let five_minutes = Duration::from_secs(300);
    let payments = "payments_v3 = true";
    let others = "payments_v3 = true\n[flags.pricing_page]\nvariants.higher_price = 1";
    let unmet_others =
        "payments_v3 = true\n[flags.pricing_page]\nvariants = { control = 1, higher_price = 0 }";
    vec![
        vec![
            case(declared, "dark_mode", anonymous, On(Reason::Static)),
            case(declared, "search_v2", users, Percent(25.0)),
            case(
                "`denied_users`, `denied_groups`: off.",
                "new_checkout",
                mallory,
                Off(Reason::TargetingMatch),
            ),
            case(steps, "new_checkout", mallory_who_is_employed, Off(Reason::TargetingMatch)),
            case(
                "`denied_users`, `denied_groups`: off.",
                "new_checkout",
                banned,
                Off(Reason::TargetingMatch),
            ),
            case(
                "`allowed_users`, `allowed_groups`: on.",
                "new_checkout",
                tester,
                On(Reason::TargetingMatch),
            ),
            case(
                "`allowed_users`, `allowed_groups`: on.",
                "new_checkout",
                employees,
                On(Reason::TargetingMatch),
            ),
            case("on for that share of the users", "new_checkout", users, Percent(10.0)),
            case(
                "Without a targeting key, a percentage between 0 and 100 is off",
                "new_checkout",
                anonymous,
                Percent(0.0),
            ),
        ],
        vec![
            case(rollout, "checkout_v2", users, Percent(0.0)).at("2026-11-21T08:59:59Z"),
            case(rollout, "checkout_v2", users, Percent(1.0)).at("2026-11-21T09:00:00Z"),
            case(rollout, "checkout_v2", users, Percent(25.0)).at("2026-11-21T11:00:00Z"),
            case(rollout, "checkout_v2", users, Percent(100.0)).at("2026-11-21T23:00:00Z"),
            case(rollout, "pricing", users, Percent(10.0)).at("2026-12-01T00:00:00Z"),
            case(rollout, "pricing", users, Percent(100.0)).at("2026-12-08T07:00:00Z"),
            case(by_hand, "search_v3", users, Percent(0.0)),
        ],
        vec![
            case(window, "black_friday", users, Off(Reason::Disabled)).at("2026-11-26T23:59:59Z"),
            case(window, "black_friday", users, On(Reason::Static)).at("2026-11-27T00:00:00Z"),
            case(
                "`until` is the first instant outside",
                "black_friday",
                users,
                Off(Reason::Disabled),
            )
            .at("2026-12-01T00:00:00Z"),
        ],
        vec![case(
            "A permanent flag is evaluated like any other",
            "accept_orders",
            users,
            On(Reason::Static),
        )],
        vec![case(facts, "new_invoice", users, On(Reason::Static))],
        vec![
            case(rules, "new_checkout", old_ios, Off(Reason::TargetingMatch)),
            case(rules, "new_checkout", users, Percent(10.0)),
            case(
                "on for that share of the users that match, and off for the others",
                "new_checkout",
                companies,
                Percent(25.0),
            ),
            case(by_attribute, "new_checkout", colleagues, Alike),
            case(
                "If the context lacks the attribute, the flag is off",
                "new_checkout",
                without_id,
                Percent(0.0),
            ),
        ],
        vec![
            case(
                "that variant. A name wins over a percentage",
                "seat_price",
                trials,
                PercentOf("control", 100.0),
            ),
            case(
                "no variant: typed evaluations return",
                "seat_price",
                german_pros,
                Off(Reason::TargetingMatch),
            ),
            case(variants, "seat_price", users, PercentOf("higher_price", 50.0)),
        ],
        vec![
            case(complement, "express_checkout", users, On(Reason::TargetingMatch))
                .beside(payments),
            case(complement, "express_checkout", german_pros, On(Reason::TargetingMatch))
                .beside(payments),
            case(complement, "express_checkout", americans, Off(Reason::Default)).beside(payments),
            case(neither, "express_checkout", users, Off(Reason::Default)),
        ],
        vec![
            case(variants, "pricing_page", users, PercentOf("control", 34.0)),
            case(variants, "pricing_page", users, PercentOf("higher_price", 33.0)),
            case(variants, "pricing_page", users, PercentOf("lower_price", 33.0)),
            case(
                "A flag with variants is on, for [`Flags::is_enabled`] and for gates",
                "pricing_page",
                users,
                Percent(100.0),
            ),
            case(variants, "search_timeout_ms", users, PercentOf("fast", 50.0)),
            case(
                "A flag that is off serves the variant named by `off`.",
                "search_timeout_ms",
                users,
                Expected::Variant("slow", Value::Integer(800)),
            )
            .forced(false),
        ],
        vec![
            case(one_for_all, "max_upload_mb", users, Expected::Constant(Value::Integer(50))),
            case(
                "while it is off, callers get their own defaults",
                "max_upload_mb",
                users,
                Off(Reason::Disabled),
            )
            .forced(false),
            case(
                "served to all users, unless a rule serves another",
                "load_generator",
                users,
                Expected::Variant("10%", Value::Float(0.1)),
            ),
            case(one_for_all, "load_generator", users, PercentOf("10%", 100.0)),
        ],
        vec![
            case(experiment, "pricing_experiment", companies, PercentOf("higher_price", 10.0)),
            case(
                "the others get `control`, as while it is off",
                "pricing_experiment",
                companies,
                PercentOf("control", 90.0),
            ),
            case("all users of a company see the same", "pricing_experiment", colleagues, Alike),
        ],
        vec![
            case(
                "it takes a percentage of the requests, independent of the user",
                "verbose_tracing",
                mallory,
                PercentOfRequests(0.5),
            ),
            case(
                "Outside of a request such a flag is off.",
                "verbose_tracing",
                users,
                Percent(0.0),
            ),
        ],
        vec![
            case(prerequisites, "new_checkout", users, On(Reason::Default)).beside(others),
            case(unmet, "new_checkout", users, Off(Reason::TargetingMatch)).beside(unmet_others),
            case(
                "A flag that no source has, that is rejected, or that answers `unavailable` meets \
                 no prerequisite",
                "new_checkout",
                users,
                Percent(0.0),
            ),
        ],
        vec![
            case(
                "A flag can carry tests of its answers",
                "new_checkout",
                resellers,
                Off(Reason::TargetingMatch),
            ),
            case(
                "A flag can carry tests of its answers",
                "new_checkout",
                german_pros,
                On(Reason::TargetingMatch),
            ),
            case("A flag can carry tests of its answers", "new_checkout", users, Percent(10.0)),
        ],
        vec![
            case(
                "Without an environment, `[flags]` alone counts.",
                "dark_mode",
                anonymous,
                Off(Reason::Disabled),
            ),
            case(
                "forces the flag on for all users, except those on a deny-list",
                "dark_mode",
                anonymous,
                On(Reason::Static),
            )
            .within("staging"),
            case("sets the percentage, and ends a rollout", "search_v2", users, Percent(100.0))
                .within("staging"),
            case("changes the settings that it names", "new_checkout", users, Percent(100.0))
                .within("staging"),
            case("Deny-lists add up.", "new_checkout", mallory, Off(Reason::TargetingMatch))
                .within("staging"),
            case("Deny-lists add up.", "new_checkout", eve, Off(Reason::TargetingMatch))
                .within("staging"),
            case(
                "A weight of 0 takes a variant out of the draw.",
                "pricing_page",
                users,
                PercentOf("control", 100.0),
            )
            .within("production"),
        ],
        vec![case(lost, "payments_v3", users, OnAfterLoss(five_minutes))],
        vec![
            case("# of the users", "search_v2", users, Percent(25.0)),
            case("dark_mode = true", "dark_mode", anonymous, On(Reason::Static)),
            case(
                "denied_users = [\"mallory\"]",
                "new_checkout",
                mallory_who_is_employed,
                Off(Reason::TargetingMatch),
            ),
            case(
                "allowed_groups = [\"employees\"]",
                "new_checkout",
                employees,
                On(Reason::TargetingMatch),
            ),
            case("percentage = 10", "new_checkout", users, Percent(10.0)),
        ],
    ]
}

/// Returns the blocks of TOML that declare flags.
fn blocks(page: &'static str) -> impl Iterator<Item = &'static str> {
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("[flags"))
}

fn block(page: &'static str, line: &str) -> &'static str {
    let found: Vec<_> = blocks(page).filter(|block| block.contains(line)).collect();
    let [block] = *found else { panic!("{} blocks have `{line}`", found.len()) };
    block
}

#[test]
fn every_flag_that_the_pages_declare_is_asked() {
    for page in [GUIDE, README] {
        let known: BTreeSet<_> = BLOCKS
            .iter()
            .filter(|(of, _)| *of == page)
            .map(|(_, line)| block(page, line))
            .collect();
        assert_eq!(known, blocks(page).collect(), "a block has no claims");
    }
    let claims = claims();
    assert_eq!(claims.len(), BLOCKS.len());
    for ((page, line), claims) in BLOCKS.iter().zip(&claims) {
        let file = FlagsFile::parse("flags.toml", block(page, line));
        let declared: BTreeSet<_> = file.flags().keys().collect();

        let asked: BTreeSet<_> = claims.iter().map(|case| case.flag).collect();

        assert_eq!(asked, declared, "{line}");
    }
}

/// Returns the text of a page without its line breaks.
pub(crate) fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn flags_answer_what_the_sentences_beside_them_claim() {
    for ((page, line), claims) in BLOCKS.iter().zip(claims()) {
        for case in claims {
            let claim = format!("`{}` of flag `{}` in `{line}`", case.sentence, case.flag);
            assert!(in_one_line(page).contains(&in_one_line(case.sentence)), "no sentence {claim}");
            let beside = match case.beside {
                "" => String::new(),
                beside => format!("[flags]\n{beside}\n"),
            };
            let declared = FlagsFile::parse("flags.toml", &(beside + block(page, line)));
            let declared = match case.environment {
                Some(environment) => declared.in_environment(environment).unwrap(),
                None => declared,
            };

            check(&case, &declared, &claim).await;
        }
    }
}

async fn check(case: &Case, file: &FlagsFile, claim: &str) {
    assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());
    let declared = file.flags().iter().fold(Memory::new(), |memory, (key, flag)| {
        memory.with(key, Entry::Definition(flag.clone()))
    });
    if let OnAfterLoss(patience) = case.expected {
        return check_loss(case, declared, patience, claim).await;
    }
    let above = case
        .above
        .iter()
        .fold(Memory::new(), |memory, entry| memory.with(case.flag, entry.clone()));
    let now = case.at;
    let flags = Flags::builder().source(above).source(declared).clock(move || now);
    let flags = flags.start().await.unwrap();

    let ask = |n: usize| flags.explain(case.flag, &(case.contexts)(n));
    let is_on = |n: usize| flags.is_enabled(case.flag, &(case.contexts)(n));
    let variant = |n: usize| ask(n).served.and_then(|served| served.variant);
    // Enough users that their share differs from the percentage by less than one percent.
    const MANY: usize = 10_000;
    let is_share = |found: usize, percent: f64| {
        let found = found as f64 / (MANY as f64 / 100.0);
        // 0 and 100 percent are exact.
        let is_whole = percent == 0.0 || percent == 100.0;
        assert!((found - percent).abs() <= if is_whole { 0.0 } else { 1.5 }, "{claim}: {found}%");
    };
    match &case.expected {
        On(reason) | Off(reason) => {
            let (answer, is_on) = (ask(0).answer, matches!(case.expected, On(_)));
            assert_eq!((answer.value, answer.reason), (is_on, *reason), "{claim}");
        }
        Expected::Variant(name, value) => {
            let served = ask(0).served.expect("it has variants");
            assert_eq!((served.variant, &served.value), (Some(*name), value), "{claim}");
        }
        Expected::Constant(value) => {
            let served = ask(0).served.expect("it has a value");
            assert_eq!((served.variant, &served.value), (None, value), "{claim}");
        }
        Percent(percent) => is_share((0..MANY).filter(|&n| is_on(n)).count(), *percent),
        PercentOf(name, percent) => {
            is_share((0..MANY).filter(|&n| variant(n) == Some(name)).count(), *percent);
        }
        Alike => {
            let answers: Vec<_> = (0..100).map(|n| (is_on(n), variant(n))).collect();
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{claim}");
        }
        PercentOfRequests(percent) => {
            let service = ServiceBuilder::new().layer(flags.request_layer(Anonymous)).service_fn(
                async |_: Request<()>| {
                    let answers = [(); 2].map(|()| flagstaff::is_enabled(case.flag));
                    assert_eq!(answers[0], answers[1], "within a request the answer stays");
                    Ok::<_, Infallible>(http::Response::new(answers[0]))
                },
            );
            let mut taken = 0;
            for _ in 0..MANY {
                let response = service.clone().oneshot(Request::new(())).await.unwrap();
                taken += usize::from(*response.body().get_ref());
            }
            assert!(taken > 0, "by chance that happens once in e^50");
            is_share(taken, *percent);
        }
        OnAfterLoss(_) => unreachable!("it is checked with a source that is lost"),
    }
}

/// Loses a source that forces the flag off, and waits for longer than the flag's `stale_after`.
async fn check_loss(case: &Case, declared: Memory, patience: Duration, claim: &str) {
    let (script, lost) = Scripted::new();
    script.send(Act::Publish([(case.flag, false)].into_iter().collect())).unwrap();
    let flags = Flags::builder().source(lost).source(declared).start().await.unwrap();
    let ask = || flags.explain(case.flag, &(case.contexts)(0)).answer;
    assert!(!ask().value, "{claim}");

    script.send(Act::Fail("connection refused")).unwrap();
    tokio::time::sleep(patience * 2).await;

    assert_eq!((ask().value, ask().reason), (true, Reason::Stale), "{claim}");
}
