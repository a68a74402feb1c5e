use super::*;
use crate::blocks;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Of Σ|x·w|, how far a sum in f32 may be from that of the same rounded numbers.
pub(super) const OF_ROUNDED: f64 = 1e-5;
/// Of Σ|x·w|, how far it may be from the sum of the numbers before they were rounded: each side by 2⁻⁸ of itself, with room
/// for the sum.
const OF_EXACT: f64 = 2.02 / 256.0;

/// A matrix in memory, of any kind.
pub(super) enum Stored {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    Blocks(GgmlDType, Vec<u8>),
}

impl Stored {
    pub(super) fn numbers(&self) -> Numbers<'_> {
        match self {
            Self::F32(w) => Numbers::F32(w),
            Self::F16(w) => Numbers::F16(w),
            Self::Bf16(w) => Numbers::Bf16(w),
            Self::Blocks(format, bytes) => Numbers::Blocks(*format, bytes),
        }
    }

    pub(super) fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(w) => w.clone(),
            Self::F16(w) => w.iter().map(|w| w.to_f32()).collect(),
            Self::Bf16(w) => w.iter().map(|w| w.to_f32()).collect(),
            Self::Blocks(format, bytes) => {
                let mut numbers = vec![0.0; self.numbers().count()];
                blocks::decode(*format, bytes, &mut numbers);
                numbers
            }
        }
    }

    /// The same numbers in every way of storing them that the length of a row allows.
    pub(super) fn all(numbers: &[f32], columns: usize) -> Vec<Self> {
        let mut all = vec![
            Self::F32(numbers.to_vec()),
            Self::F16(numbers.iter().map(|&w| f16::from_f32(w)).collect()),
            Self::Bf16(numbers.iter().map(|&w| bf16::from_f32(w)).collect()),
        ];
        for format in testkit::BLOCK_TYPES {
            if format.block_size() > 1 && columns.is_multiple_of(format.block_size()) {
                all.push(Self::Blocks(format, blocks::encode(format, numbers).unwrap()));
            }
        }
        all
    }
}

pub(super) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Where there is no kernel, its tests have nothing to run, and say so.
pub(super) fn kernel() -> Option<Kernel> {
    let kernel = Kernel::of_processor();
    match kernel {
        Some(kernel) => eprintln!("products in bf16: {kernel:?}"),
        None => eprintln!("left out: products in bf16, which this processor does not have"),
    }
    kernel
}

/// Row `i` of `x` by row `j` of `w`, plainly: the sum of products, and of their absolute values.
pub(super) fn plainly(x: &[f32], w: impl Iterator<Item = f32>, number: impl Fn(f32) -> f64) -> (f64, f64) {
    let products = x.iter().zip(w).map(|(&x, w)| number(x) * number(w));
    products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()))
}

pub(super) fn rounded(number: f32) -> f64 {
    f64::from(bf16::from_f32(number).to_f32())
}

/// Both directions against f64, for `rows` rows of activations and a matrix of this shape.
fn check(kernel: Kernel, rows: usize, (out, columns): (usize, usize)) {
    let (x, dy) = (random(rows * columns, 1), random(rows * out, 2));
    for stored in Stored::all(&random(out * columns, 3), columns) {
        let (w, floats) = (stored.numbers(), stored.to_f32());
        let (y, dx) = (kernel.forward(&x, w, (out, columns)), kernel.backward(&dy, w, (out, columns)));
        assert_eq!((y.len(), dx.len()), (rows * out, rows * columns));
        let close = |found: f32, left: &[f32], right: &dyn Fn() -> Vec<f32>, what: &str| {
            let right = right();
            let (sum, size) = plainly(left, right.iter().copied(), rounded);
            let (exact, exact_size) = plainly(left, right.iter().copied(), f64::from);
            let found = f64::from(found);
            assert!((found - sum).abs() <= OF_ROUNDED * size, "{what}: {found} and {sum} of {size}");
            assert!((found - exact).abs() <= OF_EXACT * exact_size, "{what}: {found} and exactly {exact}");
        };
        for i in 0..rows {
            let (x, dy) = (&x[i * columns..][..columns], &dy[i * out..][..out]);
            for j in 0..out {
                let row = || floats[j * columns..][..columns].to_vec();
                close(y[i * out + j], x, &row, &format!("{rows} × {out} × {columns} forward [{i}, {j}]"));
            }
            for j in 0..columns {
                let column = || (0..out).map(|row| floats[row * columns + j]).collect();
                close(dx[i * columns + j], dy, &column, &format!("{rows} × {out} × {columns} backward [{i}, {j}]"));
            }
        }
    }
}

#[test]
fn products_are_those_of_the_rounded_numbers_whatever_the_shape_and_the_storage() {
    let Some(kernel) = kernel() else { return };
    // One row and more than a tile; lengths that are no pair, no register, no block and no panel; more than one part of a
    // sum, and a last one that is short.
    for rows in [1, 2, 13, 14, 15, 29] {
        for shape in [(1, 1), (3, 2), (33, 5), (7, 33), (64, 32), (32, 96), (31, 100), (65, 256), (5, 512)] {
            check(kernel, rows, shape);
        }
    }
    check(kernel, 3, (1100, 64));
    check(kernel, 2, (5, 1216));
    check(kernel, 2, (40, 1280));
    check(kernel, 200, (40, 64));
}

#[test]
fn a_sum_of_several_products_is_the_sum_of_all_rounded_numbers_whatever_the_cores() {
    let Some(kernel) = kernel() else { return };
    // What stays in registers together, what is just as much as does and what is one more; lengths that are no pair.
    for lengths in [vec![576, 192, 192, 16, 16, 16], vec![1000, 24], vec![1000, 24, 1], vec![1536, 16, 3, 1100]] {
        let (rows, width) = (17, 70);
        let sides = |counts: usize, seed: u64| -> Vec<Vec<f32>> {
            lengths.iter().zip(seed..).map(|(length, seed)| random(counts * length, seed)).collect()
        };
        let (xs, ws) = (sides(rows, 1), sides(width, 11));
        let lefts: Vec<PackedRows> = xs.iter().zip(&lengths).map(|(x, &length)| kernel.pack(x, length)).collect();
        for op in [WeightOp::Transposed, WeightOp::AsStored] {
            let shape = |length| if op == WeightOp::Transposed { (width, length) } else { (length, width) };
            let term = |i: usize| Term { left: &lefts[i], w: Numbers::F32(&ws[i]), shape: shape(lengths[i]) };
            let sum = Sum { terms: (0..lengths.len()).map(term).collect(), op };
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| kernel.sums(std::slice::from_ref(&sum)).swap_remove(0))
            };
            let found = on(1);
            assert!(found.len() == rows * width && on(2) == found && on(7) == found);
            for (i, j) in (0..rows).flat_map(|i| (0..width).map(move |j| (i, j))) {
                let (mut all, mut size) = (0.0, 0.0);
                for ((x, w), &length) in xs.iter().zip(&ws).zip(&lengths) {
                    let at = |k: usize| if op == WeightOp::Transposed { j * length + k } else { k * width + j };
                    let part = plainly(&x[i * length..][..length], (0..length).map(|k| w[at(k)]), rounded);
                    (all, size) = (all + part.0, size + part.1);
                }
                let found = f64::from(found[i * width + j]);
                assert!((found - all).abs() <= OF_ROUNDED * size, "{lengths:?} [{i}, {j}]: {found} and {all}");
            }
        }
    }
}

#[test]
fn sums_over_rows_are_those_of_the_rounded_numbers_whatever_the_shape_and_the_cores() {
    let Some(kernel) = kernel() else { return };
    // No row, one, no pair, more than a part; columns that are no strip, more than a task; one tile and several.
    for rows in [0, 1, 2, 63, 64, 65, 201] {
        for (widths, width) in [(vec![1], 1), (vec![16, 3], 17), (vec![24], 128), (vec![25, 16, 64], 145)] {
            let x = random(rows * width, 1);
            let ms: Vec<Vec<f32>> =
                widths.iter().enumerate().map(|(i, count)| random(rows * count, 2 + i as u64)).collect();
            let lefts: Vec<PackedColumns> =
                ms.iter().zip(&widths).map(|(m, &count)| kernel.pack_columns(m, count)).collect();
            // Twice, as one call takes several.
            let sums = vec![OverRows { lefts: lefts.iter().collect(), x: &x, width }; 2];
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| kernel.over_rows(&sums))
            };
            let found = on(1);
            assert!(on(2) == found && on(7) == found);
            assert_eq!(found.len(), 2 * ms.len());
            for (found, (m, &count)) in found.iter().zip(ms.iter().zip(&widths).cycle()) {
                assert_eq!(found.len(), count * width);
                for (i, j) in (0..count).flat_map(|i| (0..width).map(move |j| (i, j))) {
                    let left: Vec<f32> = (0..rows).map(|row| m[row * count + i]).collect();
                    let right = || (0..rows).map(|row| x[row * width + j]);
                    let (sum, size) = plainly(&left, right(), rounded);
                    let (exact, exact_size) = plainly(&left, right(), f64::from);
                    let found = f64::from(found[i * width + j]);
                    assert!((found - sum).abs() <= OF_ROUNDED * size, "{rows} [{i}, {j}]: {found} and {sum} of {size}");
                    assert!(
                        (found - exact).abs() <= OF_EXACT * exact_size,
                        "{rows} [{i}, {j}]: {found}, exactly {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn nothing_by_anything_is_nothing() {
    let Some(kernel) = kernel() else { return };
    assert!(kernel.forward(&[], Numbers::F32(&[1.0; 6]), (2, 3)).is_empty());
    assert!(kernel.backward(&[], Numbers::F32(&[1.0; 6]), (2, 3)).is_empty());
    assert!(kernel.forward(&[1.0; 3], Numbers::F32(&[]), (0, 3)).is_empty());
}

/// A row's output is the same bits beside other rows, in a larger matrix and on any number of cores.
#[test]
fn a_row_s_product_does_not_depend_on_what_is_computed_beside_it() {
    let Some(kernel) = kernel() else { return };
    let (rows, out, columns) = (75, 100, 1280);
    let (x, dy, w) = (random(rows * columns, 4), random(rows * out, 5), random(out * columns, 6));
    for stored in Stored::all(&w, columns) {
        let w = stored.numbers();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (kernel.forward(&x, w, (out, columns)), kernel.backward(&dy, w, (out, columns))))
        };
        let (y, dx) = on(1);
        assert!(on(2) == (y.clone(), dx.clone()) && on(7) == (y.clone(), dx.clone()));
        for row in [0, 13, 74] {
            let alone = kernel.forward(&x[row * columns..][..columns], w, (out, columns));
            assert!(alone == y[row * out..][..out]);
            let alone = kernel.backward(&dy[row * out..][..out], w, (out, columns));
            assert!(alone == dx[row * columns..][..columns]);
        }
    }
}

/// Rounding is to nearest, ties to even; what is not finite shows; what is too small for the instructions is zero.
#[test]
fn numbers_are_rounded_as_bf16_is_and_what_is_not_finite_shows() {
    let Some(kernel) = kernel() else { return };
    let one = |x: f32| kernel.forward(&[x], Numbers::F32(&[1.0]), (1, 1))[0];
    let weight = |w: f32| kernel.forward(&[1.0], Numbers::F32(&[w]), (1, 1))[0];
    let step = 2f32.powi(-7);
    for (number, expected) in [
        (1.0 + 0.5 * step, 1.0),
        (1.0 + 1.5 * step, 1.0 + 2.0 * step),
        (1.0 + 0.51 * step, 1.0 + step),
        (-3.0e38, bf16::from_f32(-3.0e38).to_f32()),
        (f32::MAX, f32::INFINITY),
        (f32::INFINITY, f32::INFINITY),
        (1e-40, 0.0),
    ] {
        assert_eq!((one(number), weight(number)), (expected, expected), "{number}");
    }
    assert!(one(f32::NAN).is_nan() && weight(f32::NAN).is_nan());
    // A NaN whose payload has only bits that rounding drops.
    assert!(one(f32::from_bits(0x7f80_0001)).is_nan());
    // And only where it belongs.
    let y = kernel.forward(&[f32::NAN, 1.0, 2.0, 3.0], Numbers::F32(&[1.0; 6]), (3, 2));
    assert!(y[..3].iter().all(|y| y.is_nan()) && y[3..] == [5.0; 3]);
}
