//! Checks that the JSON Schemas and the decoders agree, file by file: each operator with each option and
//! each type of value, and each setting with values of all types.

use std::collections::BTreeSet;

use flagstaff::definition::{
    Code, Field, FlagsFile, OperandKind, Operator, Severity, json_schema,
    places::{self, PlacesFile},
};
use jsonschema::Validator;

use crate::schema::json;

/// Values of every TOML type, as TOML text.
const VALUES: &[&str] = &[
    "true",
    "false",
    "0",
    "1",
    "50",
    "101",
    "-1",
    "0.5",
    "10.00001",
    "-0.5",
    "\"\"",
    "\"word\"",
    "\"two words\"",
    "\"25%\"",
    "\"10.00001%\"",
    "\"2026-12-01\"",
    "\"5m\"",
    "\"keep\"",
    "\"1.2.3\"",
    "\"10.0.0.0/8\"",
    "\"default\"",
    "2026-11-01",
    "2026-11-01T09:00:00Z",
    "2026-11-01T09:00Z",
    "[]",
    "[true]",
    "[1]",
    "[0.5]",
    "[\"word\"]",
    "[\"1.2.3\", \"word\"]",
    "[1, \"word\", false]",
    "[[]]",
    "[{}]",
    "{}",
    "{ word = 1 }",
    "{ word = 10.00001 }",
    "{ word = true }",
    "{ word = \"x\" }",
    "{ word = {} }",
    "{ weight = 1, value = 5 }",
    "{ from = 2026-11-01 }",
    "{ stages = [{ percentage = 100 }] }",
    "{ stages = [{ percentage = 101 }] }",
    "{ stages = [] }",
    "{ stage = -1 }",
    "[{ when = {}, serve = true }]",
    "[{ serve = true }]",
    "[{ flag = \"other\" }]",
    "[{ flag = \"other\", on = false }]",
    "[{ flag = \"other\", on = false, variant = \"a\" }]",
    "[{ flag = \"other\", variant = [] }]",
    "[{ flag = \"other\", variant = [\"a\"] }]",
    "[{ expect = true }]",
    "[{ expect = 1 }]",
    "[{ user = \"ana\" }]",
];

/// The problems that a schema cannot detect in files with this text, each with the reason.
const UNSEEN_IN: &[(Code, &str, &str)] = &[
    // Validators divide floats: by python-jsonschema and taplo, 0.3 would not be a multiple of 0.0001.
    (Code::InvalidPercentage, "= 10.00001", "`multipleOf` refuses valid decimals"),
    (Code::InvalidPercentage, "serve = \"10.00001%\"", "a variant may have any name"),
    (Code::InvalidWeight, "= 10.00001", "`multipleOf` refuses valid decimals"),
    (Code::InvalidDate, "\"2026-12-01\"", "validators get a TOML date as a string"),
    // An entry of an environment may be empty, and has the schema of a flag.
    (Code::ZeroWeights, "variants = {}", "`minProperties` refuses valid entries"),
];

/// The problems that a schema cannot detect, each with the reason.
const UNSEEN: &[(Code, &str)] = &[
    (Code::UnknownVariant, "names of variants are looked up"),
    (Code::UnknownSegment, "names of segments are looked up"),
    (Code::UnknownPrerequisite, "names of flags are looked up"),
    (Code::ZeroWeights, "weights are compared"),
    (Code::InvalidDuration, "a length of time can be written in many ways"),
    (Code::MixedTypes, "values are compared"),
    (Code::OffWord, "values of variants are looked up"),
    (Code::ValueBesideVariants, "a schema would have to exclude settings of each other"),
    (Code::UnnamedRule, "depends on what the rule serves"),
    (Code::RolloutTimes, "stages are compared"),
    (Code::FailedTest, "runs the tests"),
];

struct Schema(Validator);

impl Schema {
    fn new(schema: &serde_json::Value) -> Self {
        let options = jsonschema::draft7::options().should_validate_formats(true);
        Self(options.build(schema).unwrap())
    }

    /// Returns the reason why the schema rejects a file, if it does.
    fn refusal(&self, text: &str) -> Option<String> {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{text}{error}"));
        self.0.iter_errors(&json(table.into())).next().map(|error| error.to_string())
    }
}

/// The files that the schema accepts and the decoder rejects, and the reverse.
#[derive(Default)]
struct Differences {
    texts: usize,
    accepted: usize,
    found: Vec<String>,
    /// The rows of [`UNSEEN_IN`] that were met.
    unseen: BTreeSet<usize>,
}

impl Differences {
    fn compare(&mut self, text: &str, schema: &Schema) {
        let file = FlagsFile::parse("flags.toml", text);
        let codes: BTreeSet<_> = file
            .diagnostics()
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| problem.code)
            .collect();
        let refusal = schema.refusal(text);
        let is_unseen = |code: &Code| UNSEEN.iter().any(|(unseen, _)| unseen == code);
        let row = |code: &Code| {
            UNSEEN_IN.iter().position(|(unseen, part, _)| unseen == code && text.contains(part))
        };
        let is_seen = codes.iter().any(|code| row(code).is_none() && !is_unseen(code));
        if refusal.is_none() {
            self.unseen.extend(codes.iter().filter_map(row));
        }
        self.note(text, refusal, !codes.is_empty(), is_seen, &format!("{codes:?}"));
    }

    fn note(
        &mut self,
        text: &str,
        refusal: Option<String>,
        is_wrong: bool,
        is_seen: bool,
        problem: &str,
    ) {
        self.texts += 1;
        self.accepted += usize::from(!is_wrong);
        match refusal {
            Some(refusal) if !is_wrong => {
                self.found.push(format!("refused by the schema alone: {text}  {refusal}"));
            }
            // To a schema, a TOML date is a string, and so valid where a string is.
            None if is_seen && (!text.contains("2026-") || text.contains("\"2026-")) => {
                self.found.push(format!("refused by the decoder alone: {text}  {problem}"));
            }
            _ => {}
        }
    }

    fn are_none(&self, least: usize) {
        let Self { texts, accepted, found, .. } = self;
        assert!(found.is_empty(), "{} of {texts}:\n{}", found.len(), found.join("\n"));
        assert!(*texts > least && *accepted > 0 && accepted < texts, "{accepted} of {texts}");
    }
}

fn rule(condition: &str) -> String {
    format!("[flags.a]\nrules = [{{ when = {{ {condition} }}, serve = true }}]\n")
}

#[test]
fn about_operators_with_their_options() {
    let schema = Schema::new(&json_schema());
    let mut differences = Differences::default();
    let options = [
        "",
        ", ignore_case = true",
        ", ignore_case = false",
        ", ignore_case = 1",
        ", as = \"number\"",
        ", as = \"string\"",
        ", as = \"number\", ignore_case = true",
        ", as = \"number\", ignore_case = false",
    ];

    for operator in Operator::ALL {
        let is_pattern = matches!(operator, Operator::Semver | Operator::Cidr);
        for option in options {
            for value in VALUES {
                // A schema cannot check the notation within a string.
                if is_pattern && value.contains('"')
                    || operator.operand() == OperandKind::Instant && value.starts_with('"')
                {
                    continue;
                }
                differences
                    .compare(&rule(&format!("x = {{ {operator} = {value}{option} }}")), &schema);
            }
            for other in Operator::ALL.iter().filter(|other| *other != operator) {
                let [first, second] = [operator, other].map(|it| it.example().operand);
                let both = format!("x = {{ {operator} = {first}, {other} = {second}{option} }}");
                differences.compare(&rule(&both), &schema);
            }
        }
    }
    for option in options {
        let alone = option.trim_start_matches(", ");
        differences.compare(&rule(&format!("x = {{ {alone} }}")), &schema);
    }

    differences.are_none(7_000);
}

#[test]
fn about_the_words_of_conditions_and_the_names_of_attributes() {
    let schema = Schema::new(&json_schema());
    let mut differences = Differences::default();
    let words = [
        "any",
        "all",
        "not",
        "unless",
        "segment",
        "flag",
        "attributes",
        "share",
        "now",
        "x",
        "x.y",
        "\"x.y\"",
        "\"\"",
        "\" x\"",
        "\"x \"",
        "\"a..b\"",
        "\".a\"",
        "\"a.\"",
        "\"a. b\"",
        "\"a b\"",
    ];
    let conditions = ["{ x = 1 }", "[{ x = 1 }]", "[{ x = {} }]", "{ share = 1 }", "[{ now = 1 }]"];

    for word in words {
        for value in VALUES.iter().chain(&conditions) {
            for condition in [
                format!("{word} = {value}"),
                format!("not = {{ {word} = {value} }}"),
                format!("attributes = {{ {word} = {value} }}"),
            ] {
                differences.compare(&rule(&condition), &schema);
            }
            let segment = format!("[flags]\n[segments.s]\nunless = {{ {word} = {value} }}\n");
            differences.compare(&segment, &schema);
        }
    }

    differences.are_none(3_000);
}

#[test]
fn about_settings_with_values_of_all_types() {
    let schema = Schema::new(&json_schema());
    let mut differences = Differences::default();
    let settings = Field::ALL.iter().map(|field| field.as_str()).chain(["tests", "unknown"]);

    for setting in settings {
        let example = Field::ALL.iter().find(|it| it.as_str() == setting).map(|it| it.example());
        for value in VALUES.iter().copied().chain(example) {
            differences.compare(&format!("[flags.a]\n{setting} = {value}\n"), &schema);
            differences.compare(
                &format!("[flags.a]\n[environments.staging.a]\n{setting} = {value}\n"),
                &schema,
            );
        }
    }
    for value in VALUES {
        for text in [
            format!("[flags]\na = {value}\n"),
            format!("[flags]\n[environments.staging]\na = {value}\n"),
            format!("flags = {value}\n"),
            format!("[flags]\n[segments]\ns = {value}\n"),
            format!("segments = {value}\n[flags]\n"),
            format!("environments = {value}\n[flags]\n"),
            format!("unknown = {value}\n[flags]\n"),
        ] {
            differences.compare(&text, &schema);
        }
        for part in ["name", "when", "unless", "serve", "bucket_by", "unknown"] {
            let rest = [("when", "{}"), ("serve", "true")];
            let rest = rest.into_iter().filter(|(name, _)| *name != part);
            let rest: String = rest.map(|(name, value)| format!(", {name} = {value}")).collect();
            let text = format!("[flags.a]\nrules = [{{ {part} = {value}{rest} }}]\n");
            differences.compare(&text, &schema);
        }
        for part in ["weight", "value", "unknown"] {
            let text = format!("[flags.a]\nserve = \"x\"\nvariants.x = {{ {part} = {value} }}\n");
            differences.compare(&text, &schema);
        }
        for part in ["percentage", "for", "at", "auto", "unknown"] {
            let rest = if part == "percentage" { "" } else { ", percentage = 100" };
            let stage = format!("rollout.stages = [{{ {part} = {value}{rest} }}]");
            differences.compare(&format!("[flags.a]\n{stage}\n"), &schema);
        }
    }

    differences.are_none(4_000);
    assert_eq!(differences.unseen, (0..UNSEEN_IN.len()).collect());
}

#[test]
fn about_places() {
    let schema = places::json_schema();
    let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let schema = Schema::new(&schema);
    let mut differences = Differences::default();

    for key in keys.iter().map(String::as_str).chain(["unknown"]) {
        for value in VALUES {
            for text in [format!("{key} = {value}\n"), format!("[places.x]\n{key} = {value}\n")] {
                let file = PlacesFile::parse("flagstaff.toml", &text);
                let is_wrong = file.diagnostics().has_errors();
                let problem = file.diagnostics().summary();
                differences.note(&text, schema.refusal(&text), is_wrong, is_wrong, &problem);
            }
        }
    }

    differences.are_none(800);
}
