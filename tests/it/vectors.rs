//! The published bucketing vectors, through the whole library.

use flagstaff::{Context, Definition, Flags, Variants, Weight};
use serde_json::Value;

#[test]
fn every_row_is_in_or_out_as_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/bucketing.json")).unwrap();
    let rows = vectors["percentages"].as_array().unwrap();
    assert!(rows.len() >= 300);

    for row in rows.iter().filter(|row| row["purpose"] == "rollout") {
        let flag = row["flag"].as_str().unwrap();
        let percentage = row["percentage"].as_str().unwrap();
        let mut definition =
            Definition::new().percentage(percentage.parse::<flagstaff::Percentage>().unwrap());
        if let Some(salt) = row["salt"].as_str() {
            definition = definition.salt(salt);
        }
        let flags = Flags::for_test().with(flag, definition).start();

        let on = flags.is_enabled(flag, &Context::user(row["key"].as_str().unwrap()));

        assert_eq!(on, row["in"], "{row}");
    }
}

#[test]
fn every_row_is_served_the_variant_that_the_vectors_say() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/bucketing.json")).unwrap();
    let rows = vectors["variants"].as_array().unwrap();
    assert!(rows.len() >= 250);

    for row in rows {
        let weights = row["weights"].as_array().unwrap().iter().enumerate();
        let variants: Variants = weights
            .map(|(index, weight)| {
                let weight: u64 = weight.as_str().unwrap().parse().unwrap();
                let text = format!("{}.{:04}", weight / 10_000, weight % 10_000);
                (index.to_string(), text.parse::<Weight>().unwrap())
            })
            .collect();
        let mut definition = Definition::new().variants(variants);
        if let Some(salt) = row["salt"].as_str() {
            definition = definition.salt(salt);
        }
        let flag = row["flag"].as_str().unwrap();
        let flags = Flags::for_test().with(flag, definition).start();

        let served = flags.variant(flag, &Context::user(row["key"].as_str().unwrap()), "none");

        assert_eq!(served.value, row["index"].to_string(), "{row}");
    }
}
