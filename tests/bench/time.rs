//! The workloads of the instruction benches in nanoseconds, two threads against one, and reloads.

#![allow(missing_docs, reason = "criterion's macro makes public items")]

#[expect(dead_code, reason = "some are measured in instructions alone")]
mod workloads;

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, criterion_group};

use workloads::{
    CALLS, Fixture, Shape,
    all::{self, All},
    by_handle, by_name, by_name_of_user, details_by_name, offer, reference_by_handle,
    reference_by_name, reference_by_name_of_user,
    rules::{self, Ruled},
    start,
    variants::{self, Varied},
};

type Loop<F = Fixture> = fn(&F) -> usize;

fn evaluation() {
    let w1: &[(&str, Loop)] = &[
        ("by name", by_name_of_user),
        ("by name, reference", reference_by_name_of_user),
        ("by handle", by_handle),
        ("by handle, reference", reference_by_handle),
    ];
    let w2: &[(&str, Loop)] = &[
        ("by name", by_name),
        ("by name, reference", reference_by_name),
        ("details by name", details_by_name),
        ("by handle", by_handle),
        ("by handle, reference", reference_by_handle),
    ];
    group("w1", &Fixture::new(100, Shape::Constant), w1);
    group("w2", &Fixture::new(100, Shape::Targeted), w2);
    let w3: &[(&str, Loop<Varied>)] =
        &[("by name", variants::by_name), ("by handle", variants::by_handle)];
    group("w3", &Varied::new(100), w3);
    let w4: &[(&str, Loop<Ruled>)] =
        &[("by name", rules::by_name), ("by handle", rules::by_handle)];
    group("w4", &Ruled::new(100), w4);
    // 100 users evaluate 100 flags, so that the time of a call is that of one flag.
    group("w5", &All::new(), &[("by user", all::by_user as Loop<All>)]);
    for flags in [10, 1_000, 10_000] {
        group(&format!("w6 of {flags}"), &Fixture::new(flags, Shape::Constant), w1);
    }
}

/// Measures the time of a call. Other work on the machine only adds to it, so the best of many short rounds
/// is nearest to the truth.
fn group<F>(name: &str, fixture: &F, loops: &[(&str, Loop<F>)]) {
    for (what, run) in loops {
        let round = |_| {
            let started = Instant::now();
            black_box(run(black_box(fixture)));
            started.elapsed()
        };
        let best = (0..2_000).map(round).min().expect("some rounds");
        report(&format!("{name} {what}: {:.1} ns", best.as_secs_f64() * 1e9 / CALLS as f64));
    }
}

/// Measures publishing 10,000 flags of which none, one or all differ from those in force.
fn reload(criterion: &mut Criterion) {
    const FLAGS: usize = 10_000;
    let mut group = criterion.benchmark_group("reload");
    group.sample_size(20);
    for (name, shape) in [("constant", Shape::Constant), ("targeted", Shape::Targeted)] {
        let offers = [offer(FLAGS, shape, 0), offer(FLAGS, shape, 1)];
        group.bench_function(format!("{name}_first"), |bencher| {
            let empty = || (start(offer(0, shape, 0)), offers[0].clone());
            let publish = |((flags, sink), offer): ((_, flagstaff::source::Sink), _)| {
                sink.publish(offer);
                flags
            };
            bencher.iter_batched(empty, publish, BatchSize::PerIteration);
        });
        let (_flags, sink) = start(offers[0].clone());
        group.bench_function(format!("{name}_none_differs"), |bencher| {
            let same = || offers[0].clone();
            bencher.iter_batched(same, |offer| sink.publish(offer), BatchSize::PerIteration);
        });
        let mut revision = 0;
        group.bench_function(format!("{name}_all_differ"), |bencher| {
            let next = || {
                revision += 1;
                offers[revision % 2].clone()
            };
            bencher.iter_batched(next, |offer| sink.publish(offer), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Compares the throughput of two threads with that of one. Other work only lowers it, so the best of
/// several rounds is nearest to the truth.
fn two_threads() {
    let runs: [(&str, Shape, Loop); 3] = [
        ("w1 by_name", Shape::Constant, by_name_of_user),
        ("w2 by_name", Shape::Targeted, by_name),
        ("w2 by_handle", Shape::Targeted, by_handle),
    ];
    for (name, shape, run) in runs {
        // Each thread has calls and contexts of its own, and all share the flags.
        let fixture = Fixture::new(100, shape);
        let other = fixture.for_another_thread();
        let fixtures = [fixture, other];
        let mut times = [Duration::MAX; 2];
        for _ in 0..40 {
            for threads in [1, 2] {
                let took = time(&fixtures[..threads], run);
                times[threads - 1] = times[threads - 1].min(took);
            }
        }
        let ratio = 2.0 * times[0].as_secs_f64() / times[1].as_secs_f64();
        report(&format!("w7 two threads against one, {name}: {ratio:.2} times the calls"));
    }
}

/// Returns the time of the slowest thread.
fn time(fixtures: &[Fixture], run: Loop) -> Duration {
    let barrier = Barrier::new(fixtures.len());
    thread::scope(|scope| {
        let threads = fixtures.iter().map(|fixture| {
            let barrier = &barrier;
            scope.spawn(move || {
                // The first run fills the thread-local.
                black_box(run(fixture));
                barrier.wait();
                let started = Instant::now();
                for _ in 0..20 {
                    black_box(run(black_box(fixture)));
                }
                started.elapsed()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().expect("no panics")).max()
    })
    .expect("one thread at least")
}

#[expect(clippy::print_stdout, reason = "it is the output")]
fn report(line: &str) {
    println!("{line}");
}

criterion_group!(benches, reload);

fn main() {
    evaluation();
    two_threads();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
