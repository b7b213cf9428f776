//! A walk in depth over names that need other names: flags that depend on flags, and segments that name segments.

use std::collections::{HashMap, HashSet};

/// A walk that comes to each name once, and returns it behind those that it needs.
///
/// `needs` returns the names that a name needs, each with an edge, or `None` for a name that is not in the graph.
// A path on the heap instead of recursion: a file may have thousands of flags in a chain.
pub(super) struct Walk<'n, E, I, F> {
    needs: F,
    /// The names from the start to the current one.
    path: Vec<Level<'n, E, I>>,
    /// The position of each name on the path.
    places: HashMap<&'n str, usize>,
    done: HashSet<&'n str>,
}

/// A name on the path.
struct Level<'n, E, I> {
    name: &'n str,
    /// The edge to the next name on the path, or the one that closes a cycle.
    edge: Option<E>,
    rest: I,
}

/// A step of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'n> {
    /// All names that this one needs have been visited.
    Done(&'n str),
    /// The last name on the path needs the one at this position.
    Cycle(usize),
}

impl<'n, E, I, F> Walk<'n, E, I, F>
where
    E: Copy,
    I: Iterator<Item = (&'n str, E)>,
    F: Fn(&'n str) -> Option<I>,
{
    pub(super) fn new(needs: F) -> Self {
        Self { needs, path: Vec::new(), places: HashMap::new(), done: HashSet::new() }
    }

    /// Begins at a name, unless the walk has come to it.
    pub(super) fn begin(&mut self, name: &'n str) {
        if let (false, Some(rest)) = (self.done.contains(name), (self.needs)(name)) {
            self.places.insert(name, self.path.len());
            self.path.push(Level { name, edge: None, rest });
        }
    }

    /// Returns the next step; `None` at the end of the walk from one beginning.
    pub(super) fn step(&mut self) -> Option<Step<'n>> {
        loop {
            let level = self.path.last_mut()?;
            let Some((name, edge)) = level.rest.next() else {
                let name = level.name;
                self.leave(self.path.len() - 1);
                return Some(Step::Done(name));
            };
            level.edge = Some(edge);
            match self.places.get(name) {
                Some(&first) => return Some(Step::Cycle(first)),
                None => self.begin(name),
            }
        }
    }

    /// Returns the names on the path from a position on, each with its edge to the next one.
    pub(super) fn cycle(&self, first: usize) -> impl DoubleEndedIterator<Item = (&'n str, E)> {
        self.path[first..].iter().filter_map(|level| Some((level.name, level.edge?)))
    }

    /// Leaves the names on the path from a position on, whatever they need. The walk does not come to them again.
    pub(super) fn leave(&mut self, first: usize) {
        for level in self.path.drain(first..) {
            self.places.remove(level.name);
            self.done.insert(level.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Graph = &'static [(&'static str, &'static [&'static str])];

    /// Returns the steps of a walk, with the names of cycles. `leaves` them, or goes on with their other needs.
    fn steps(graph: Graph, leaves: bool) -> Vec<String> {
        let needs = |name: &str| {
            let (_, needs) = graph.iter().find(|(known, _)| *known == name)?;
            Some(needs.iter().zip(0..).map(|(&name, edge)| (name, edge)))
        };
        let mut walk = Walk::new(needs);
        let mut steps = Vec::new();
        for (start, _) in graph {
            walk.begin(start);
            while let Some(step) = walk.step() {
                match step {
                    Step::Done(name) => steps.push(name.to_owned()),
                    Step::Cycle(first) => {
                        let names = walk.cycle(first).map(|(name, edge)| format!("{name}{edge}"));
                        steps.push(names.collect::<Vec<_>>().join("-"));
                        if leaves {
                            walk.leave(first);
                        }
                    }
                }
            }
        }
        steps
    }

    #[test]
    fn each_name_comes_once_and_behind_those_that_it_needs() {
        let diamond: Graph =
            &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d", "not_there"]), ("d", &[])];

        assert_eq!(steps(diamond, false), ["d", "b", "c", "a"]);
    }

    #[test]
    fn a_cycle_has_the_edges_that_close_it() {
        let ring: Graph = &[("a", &["x", "b"]), ("b", &["c"]), ("c", &["x", "b", "a"]), ("x", &[])];

        assert_eq!(steps(ring, false), ["x", "b0-c1", "a1-b0-c2", "c", "b", "a"]);
    }

    #[test]
    fn a_walk_does_not_come_back_to_names_that_it_left() {
        let ring: Graph = &[("a", &["b"]), ("b", &["b", "c"]), ("c", &["a", "b"])];

        assert_eq!(steps(ring, true), ["b0", "a", "c"]);
    }
}
