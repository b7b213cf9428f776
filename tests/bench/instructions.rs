//! The number of instructions of [`CALLS`] calls, counted by callgrind. It does not depend on the load of the machine.
//!
//! The count of one call is that number divided by 10,000. A count above its limit fails the run.

#![allow(missing_docs, reason = "gungraun's macros make public items")]

mod workloads;

use std::hint::black_box;

use gungraun::{Callgrind, EventKind, prelude::*};

use workloads::{
    CALLS, Fixture, Shape,
    all::{self, All},
    by_handle, by_name, by_name_of_user, details_by_name,
    gate::{Gates, closed_gate, gate_by_header, no_gate, open_gate},
    nothing, reference_by_handle, reference_by_name, reference_by_name_of_user,
    rules::{self, Ruled},
    variants::{self, Varied},
};

/// The number of flags in most fixtures.
const FLAGS: usize = 100;

type Loop = fn(&Fixture) -> usize;

fn constant(flags: usize, run: Loop) -> (Fixture, Loop) {
    (Fixture::new(flags, Shape::Constant), run)
}

fn counted(shape: Shape, run: Loop) -> (Fixture, Loop) {
    (Fixture::counted(FLAGS, shape), run)
}

fn targeted(run: Loop) -> (Fixture, Loop) {
    (Fixture::new(FLAGS, Shape::Targeted), run)
}

/// Fails the run if one call takes more instructions. The goals are in `src/docs/performance.md`. If a
/// call misses its goal, the limit keeps it from getting worse.
fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions * CALLS as u64)]);
    LibraryBenchmarkConfig::default().tool(callgrind).clone()
}

#[library_benchmark]
#[bench::rotation_alone(constant(FLAGS, nothing))]
#[bench::by_name(args = (constant(FLAGS, by_name_of_user)), config = limit(239))]
#[bench::by_name_reference(constant(FLAGS, reference_by_name_of_user))]
#[bench::by_name_with_groups(constant(FLAGS, by_name))]
#[bench::by_name_with_groups_reference(constant(FLAGS, reference_by_name))]
#[bench::by_handle(args = (constant(FLAGS, by_handle)), config = limit(60))]
#[bench::by_handle_reference(constant(FLAGS, reference_by_handle))]
fn w1((fixture, run): (Fixture, Loop)) -> Fixture {
    black_box(run(&fixture));
    fixture
}

#[library_benchmark]
#[bench::by_name(args = (targeted(by_name)), config = limit(547))]
#[bench::by_name_reference(targeted(reference_by_name))]
#[bench::details_by_name(args = (targeted(details_by_name)), config = limit(582))]
#[bench::by_handle(args = (targeted(by_handle)), config = limit(210))]
#[bench::by_handle_reference(targeted(reference_by_handle))]
fn w2((fixture, run): (Fixture, Loop)) -> Fixture {
    black_box(run(&fixture));
    fixture
}

#[library_benchmark]
#[bench::by_name(args = (Varied::new(FLAGS), variants::by_name), config = limit(438))]
#[bench::details_by_name(args = (Varied::new(FLAGS), variants::details_by_name), config = limit(446))]
#[bench::by_handle(args = (Varied::new(FLAGS), variants::by_handle), config = limit(179))]
fn w3(fixture: Varied, run: fn(&Varied) -> usize) -> Varied {
    black_box(run(&fixture));
    fixture
}

#[library_benchmark]
#[bench::by_name(args = (Ruled::new(FLAGS), rules::by_name), config = limit(1_028))]
#[bench::by_name_with_context(Ruled::new(FLAGS), rules::by_name_with_context)]
#[bench::by_handle(args = (Ruled::new(FLAGS), rules::by_handle), config = limit(588))]
fn w4(fixture: Ruled, run: fn(&Ruled) -> usize) -> Ruled {
    black_box(run(&fixture));
    fixture
}

// Counting adds the difference to W1 and W2: at most 60 by name, 45 by handle and 70 in W2.
#[library_benchmark]
#[bench::w1_by_name(args = (counted(Shape::Constant, by_name_of_user)), config = limit(239 + 60))]
#[bench::w1_by_handle(args = (counted(Shape::Constant, by_handle)), config = limit(58 + 45))]
#[bench::w2_by_name(args = (counted(Shape::Targeted, by_name)), config = limit(547 + 70))]
#[bench::w2_details_by_name(args = (counted(Shape::Targeted, details_by_name)), config = limit(582 + 70))]
#[bench::w2_by_handle(args = (counted(Shape::Targeted, by_handle)), config = limit(210 + 70))]
fn counts((fixture, run): (Fixture, Loop)) -> Fixture {
    black_box(run(&fixture));
    fixture
}

// Counted by flag: each of 100 users asks for 100 flags.
#[library_benchmark]
#[bench::by_user(args = (All::new(), all::by_user), config = limit(131))]
#[bench::with_context(All::new(), all::with_context)]
fn w5(fixture: All, run: fn(&All) -> usize) -> All {
    black_box(run(&fixture));
    fixture
}

#[library_benchmark]
#[bench::by_name_of_10(args = (constant(10, by_name_of_user)), config = limit(239))]
#[bench::by_name_of_1_000(args = (constant(1_000, by_name_of_user)), config = limit(239))]
#[bench::by_name_of_10_000(args = (constant(10_000, by_name_of_user)), config = limit(239))]
#[bench::by_name_of_10_000_reference(constant(10_000, reference_by_name_of_user))]
#[bench::by_handle_of_10(args = (constant(10, by_handle)), config = limit(60))]
#[bench::by_handle_of_1_000(args = (constant(1_000, by_handle)), config = limit(60))]
#[bench::by_handle_of_10_000(args = (constant(10_000, by_handle)), config = limit(60))]
fn w6((fixture, run): (Fixture, Loop)) -> Fixture {
    black_box(run(&fixture));
    fixture
}

// What a gate adds is the difference to the row before it: 313, 842 and 1,514 are the service alone.
// An open gate is to add 120, give or take 5 %. By one header a gate adds 513, and among 12, whose names are hashed, 767: the
// limits are 3 % above these.
#[library_benchmark]
#[bench::none(args = (Gates::new(0), no_gate))]
#[bench::open(args = (Gates::new(0), open_gate), config = limit(313 + 126))]
#[bench::closed(args = (Gates::new(0), closed_gate))]
#[bench::none_with_header(args = (Gates::new(1), no_gate))]
#[bench::by_header(args = (Gates::new(1), gate_by_header), config = limit(842 + 528))]
#[bench::none_with_12_headers(args = (Gates::new(12), no_gate))]
#[bench::by_one_of_12_headers(args = (Gates::new(12), gate_by_header), config = limit(1_514 + 790))]
fn gate(gates: Gates, run: fn(&mut Gates) -> usize) -> Gates {
    let mut gates = gates;
    black_box(run(&mut gates));
    gates
}

library_benchmark_group!(name = evaluation, benchmarks = [w1, w2, w3, counts, w4, w5, w6, gate]);

main!(library_benchmark_groups = evaluation);
