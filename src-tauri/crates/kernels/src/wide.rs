//! Loops that are compiled for each width of registers, of which a processor runs the widest that it has.
//!
//! A loop gives the same bits at any width: the compiler neither reorders sums nor joins a product to a sum, and where a
//! sum is taken in lanes, the lanes are written down.
#![allow(unsafe_code)]

/// Numbers that are summed side by side.
const LANES: usize = 16;

/// How wide registers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Those that every processor of this kind has.
    Every,
}

/// The widest that this processor has.
pub(crate) fn widest() -> Width {
    #[cfg(test)]
    if let Some(width) = tests::CHOSEN.get() {
        return width;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        return Width::Avx512;
    } else if is_x86_feature_detected!("avx2") {
        return Width::Avx2;
    }
    Width::Every
}

/// A function whose body is compiled for each width.
macro_rules! wide {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        $visible fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512($($argument: $type),*) $(-> $result)? { body($($argument),*) }
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) $(-> $result)? { body($($argument),*) }
                match $crate::wide::widest() {
                    // SAFETY: the processor was asked for what they are compiled for; they do nothing else that is unsafe.
                    $crate::wide::Width::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::wide::Width::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::wide::Width::Every => {}
                }
            }
            body($($argument),*)
        }
    };
}
pub(crate) use wide;

/// eˣ within 2⁻²² of itself, 0 below −87.3 and infinite above 88.3: the polynomial of the Cephes library (`expf`, S. Moshier)
/// on what is left of `x` after a multiple of ln 2. NaN stays.
#[inline(always)]
#[allow(clippy::inline_always, clippy::excessive_precision)]
pub(crate) fn exp(x: f32) -> f32 {
    const LEAST: f32 = -87.3;
    const MOST: f32 = 88.3;
    // Added to a small number, it leaves the nearest whole one in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let held = if x < LEAST { LEAST } else { x };
    let held = if held > MOST { MOST } else { held };
    let shifted = held * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = held - k * 0.693_359_375 + k * 2.121_944_4e-4;
    let mut p = 1.987_569_15e-4;
    for c in [1.398_199_95e-3, 8.333_451_9e-3, 4.166_579_6e-2, 1.666_666_55e-1, 5.000_000_1e-1] {
        p = p * r + c;
    }
    let y = p * (r * r) + r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let y = y * power;
    let y = if x < LEAST { 0.0 } else { y };
    if x > MOST { f32::INFINITY } else { y }
}

wide! {
    /// The largest, NaN left out; −∞ of none.
    pub fn maximum(z: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let (chunks, rest) = z.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &z) in lanes.iter_mut().zip(chunk) {
                *lane = if z > *lane { z } else { *lane };
            }
        }
        lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

wide! {
    /// `z ← exp(z − shift)`. Returns the sum of the new numbers.
    pub(crate) fn exponentials(z: &mut [f32], shift: f32) -> f32 {
        let mut lanes = [0f32; LANES];
        let (chunks, rest) = z.as_chunks_mut::<LANES>();
        for chunk in chunks {
            for (lane, z) in lanes.iter_mut().zip(chunk) {
                *z = exp(*z - shift);
                *lane += *z;
            }
        }
        for (lane, z) in lanes.iter_mut().zip(rest) {
            *z = exp(*z - shift);
            *lane += *z;
        }
        lanes.iter().sum()
    }
}

wide! {
    /// The sums of `exp(z − shift)` and of its square.
    pub fn sums_of_exponentials(z: &[f32], shift: f32) -> (f32, f32) {
        let (mut lanes, mut squares) = ([0f32; LANES], [0f32; LANES]);
        let (chunks, rest) = z.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                let e = exp(chunk[i] - shift);
                lanes[i] += e;
                squares[i] += e * e;
            }
        }
        for (i, &z) in rest.iter().enumerate() {
            let e = exp(z - shift);
            lanes[i] += e;
            squares[i] += e * e;
        }
        (lanes.iter().sum(), squares.iter().sum())
    }
}

wide! {
    /// `e ← exp(z − shift)`. Returns the sums of the new numbers and of their squares: those of [`sums_of_exponentials`].
    pub fn exponentials_of(z: &[f32], shift: f32, e: &mut [f32]) -> (f32, f32) {
        let (mut lanes, mut squares) = ([0f32; LANES], [0f32; LANES]);
        for (z, e) in z.chunks(LANES).zip(e.chunks_mut(LANES)) {
            if z.len() == LANES && e.len() == LANES {
                for i in 0..LANES {
                    e[i] = exp(z[i] - shift);
                    lanes[i] += e[i];
                    squares[i] += e[i] * e[i];
                }
            } else {
                for (i, (&z, e)) in z.iter().zip(e).enumerate() {
                    *e = exp(z - shift);
                    lanes[i] += *e;
                    squares[i] += *e * *e;
                }
            }
        }
        (lanes.iter().sum(), squares.iter().sum())
    }
}

wide! {
    /// `Σ a · b`.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0f32; LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                lanes[i] += a[i] * b[i];
            }
        }
        for (lane, (a, b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *lane += a * b;
        }
        lanes.iter().sum()
    }
}

wide! {
    /// `x ← factor · x`.
    pub fn scale(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }
}

wide! {
    /// `sum ← a + b`.
    pub fn add(sum: &mut [f32], a: &[f32], b: &[f32]) {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            *sum = a + b;
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Bit for bit.
pub(crate) mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::cell::Cell;

    thread_local! {
        pub(super) static CHOSEN: Cell<Option<Width>> = const { Cell::new(None) };
    }

    /// Runs this at every width that this processor has, says which, and sees that all give the same.
    pub(crate) fn at_every_width<T: PartialEq + std::fmt::Debug>(run: impl Fn() -> T) -> T {
        let widest = widest();
        #[cfg(target_arch = "x86_64")]
        let all = [Width::Avx512, Width::Avx2, Width::Every];
        #[cfg(not(target_arch = "x86_64"))]
        let all = [Width::Every];
        let begin = all.iter().position(|&width| width == widest).unwrap();
        let mut found = Vec::new();
        for width in &all[begin..] {
            eprintln!("registers: {width:?}");
            CHOSEN.set(Some(*width));
            found.push(run());
            CHOSEN.set(None);
        }
        assert!(found.iter().all(|one| *one == found[0]), "widths differ");
        found.swap_remove(0)
    }

    fn random(count: usize, size: f32, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random_range(-size..size)).collect()
    }

    #[test]
    fn exp_is_within_its_bound_everywhere_and_keeps_what_is_not_finite() {
        let mut x = -87.3f32;
        while x < 88.3 {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 2f64.powi(-22), "{x}: {} and {exact}", exp(x));
            x += 0.000_7;
        }
        for x in random(100_000, 1e-3, 1) {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 2f64.powi(-22), "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!((exp(-87.4), exp(f32::NEG_INFINITY)), (0.0, 0.0));
        assert_eq!((exp(88.4), exp(f32::INFINITY)), (f32::INFINITY, f32::INFINITY));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn loops_give_what_they_say_and_the_same_bits_at_every_width() {
        for count in [0, 1, 15, 16, 17, 100, 1024] {
            let (z, other) = (random(count, 20.0, 2), random(count, 1.0, 3));
            let plainly: Vec<f64> = z.iter().map(|&z| f64::from(z - 3.0).exp()).collect();
            let (sum, squares): (f64, f64) = (plainly.iter().sum(), plainly.iter().map(|e| e * e).sum());
            let close = |found: f32, expected: f64, size: f64| (f64::from(found) - expected).abs() <= 1e-6 * size;
            let (e, found) = at_every_width(|| {
                let mut e = z.clone();
                let found = exponentials(&mut e, 3.0);
                (e, found)
            });
            assert!(close(found, sum, sum) && e.iter().zip(&plainly).all(|(&e, &plain)| close(e, plain, plain)));
            let both = at_every_width(|| sums_of_exponentials(&z, 3.0));
            assert!(close(both.0, sum, sum) && close(both.1, squares, squares));
            assert_eq!(both.0, found);
            let (again, kept) = at_every_width(|| {
                let mut kept = vec![0.0; count];
                (exponentials_of(&z, 3.0, &mut kept), kept)
            });
            assert_eq!((again, kept), (both, e));
            let products = || z.iter().zip(&other).map(|(&a, &b)| f64::from(a) * f64::from(b));
            let found = at_every_width(|| dot(&z, &other));
            assert!(close(found, products().sum(), products().map(f64::abs).sum()));
            assert_eq!(at_every_width(|| maximum(&z)), z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let added = at_every_width(|| {
                let mut sum = vec![0.0; count];
                add(&mut sum, &z, &other);
                scale(&mut sum, 0.3);
                sum
            });
            assert!(added.iter().zip(z.iter().zip(&other)).all(|(&sum, (&a, &b))| sum == (a + b) * 0.3));
        }
        assert_eq!(maximum(&[1.0, f32::NAN, 3.0]), 3.0);
        assert!(exponentials(&mut [1.0, f32::NAN], 0.0).is_nan());
    }
}
