//! A frozen matrix `[out, in]` as it is stored: in a float type, or in the blocks of a GGUF file.
//!
//! Products need floats. What is stored in fewer bits is expanded to them when it is used, a piece of rows at a time, and
//! the piece is dropped at once: of a whole model only [`PIECE`] numbers are ever floats. The backward expands again.
//! Whatever the storage is, a matrix is cut into the same pieces, so that a product of blocks is the product of the floats
//! they decode to, bit for bit.
//!
//! With a kernel for bf16 on the CPU, products go there instead, straight from what is stored.

use crate::blocks;
use crate::product::{Kernel, Numbers, WeightOp};
use crate::profile::{self, Work};
use candle_core::quantized::GgmlDType;
use candle_core::{CpuStorage, DType, Device, Layout, Result, Storage, Tensor};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Numbers that are expanded at once, where a row is not longer: 16 MiB.
const PIECE: usize = 1 << 22;

/// A frozen matrix. Clones share what is stored.
#[derive(Debug, Clone)]
pub struct Weight {
    stored: Stored,
    rows: usize,
    columns: usize,
    device: Device,
    /// What its products are computed by on the CPU; none for f32.
    kernel: Option<Kernel>,
}

#[derive(Debug, Clone)]
enum Stored {
    Floats(Tensor),
    /// Rows of whole blocks, one after another, in main memory whatever the device is.
    Blocks {
        format: GgmlDType,
        bytes: Arc<Vec<u8>>,
    },
}

impl Weight {
    /// A matrix of floats, on the device that it lies on.
    ///
    /// # Errors
    /// When the tensor has another rank than 2.
    pub fn floats(tensor: &Tensor) -> Result<Self> {
        let (rows, columns) = tensor.dims2()?;
        let device = tensor.device().clone();
        Ok(Self { stored: Stored::Floats(tensor.contiguous()?), rows, columns, device, kernel: None })
    }

    /// A matrix of the blocks that these bytes are, row after row.
    ///
    /// # Errors
    /// When the bytes are not those of `rows` rows of whole blocks.
    pub fn blocks(format: GgmlDType, bytes: Vec<u8>, (rows, columns): (usize, usize), device: &Device) -> Result<Self> {
        if blocks::bytes_of(format, columns).map(|row| row * rows) != Some(bytes.len()) {
            let what = format!("{} bytes are no {rows} rows of {columns} numbers as {format:?}", bytes.len());
            return Err(candle_core::Error::msg(what));
        }
        let stored = Stored::Blocks { format, bytes: Arc::new(bytes) };
        Ok(Self { stored, rows, columns, device: device.clone(), kernel: None })
    }

    /// `[out, in]`.
    pub fn dims(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Bytes that it takes as it is stored.
    pub fn bytes(&self) -> u64 {
        match &self.stored {
            Stored::Floats(tensor) => (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64,
            Stored::Blocks { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The type of its products.
    pub fn compute_type(&self) -> DType {
        match &self.stored {
            Stored::Floats(tensor) => compute_type(tensor.dtype()),
            Stored::Blocks { .. } => DType::F32,
        }
    }

    /// What its products are computed by from now on; none for f32.
    pub fn set_kernel(&mut self, kernel: Option<Kernel>) {
        self.kernel = kernel;
    }

    /// `x Wᵀ`, from `[n, in]` to `[n, out]`.
    pub fn product(&self, x: &Tensor) -> Result<Tensor> {
        profile::products(Work::Frozen, self.operations(x), || self.product_now(x))
    }

    fn product_now(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(y) = self.by_kernel(x, WeightOp::Transposed)? {
            return Ok(y);
        }
        if self.rows <= self.rows_per_piece() {
            return x.matmul(&self.expand(0..self.rows)?.t()?);
        }
        let y = Tensor::zeros((x.dim(0)?, self.rows), x.dtype(), x.device())?;
        for piece in self.pieces() {
            let start = piece.start;
            y.slice_set(&x.matmul(&self.expand(piece)?.t()?)?, 1, start)?;
        }
        Ok(y)
    }

    /// `dy W`, from `[n, out]` to `[n, in]`: the gradient of the input of [`Weight::product`].
    pub fn backward(&self, dy: &Tensor) -> Result<Tensor> {
        profile::products(Work::Frozen, self.operations(dy), || self.backward_now(dy))
    }

    fn backward_now(&self, dy: &Tensor) -> Result<Tensor> {
        if let Some(dx) = self.by_kernel(dy, WeightOp::AsStored)? {
            return Ok(dx);
        }
        let mut dx: Option<Tensor> = None;
        for piece in self.pieces() {
            let part = dy.narrow(1, piece.start, piece.len())?;
            // Only the products of the CPU take rows that lie apart.
            let part = if part.device().is_cpu() { part } else { part.contiguous()? };
            let part = part.matmul(&self.expand(piece)?)?;
            dx = Some(match dx {
                None => part,
                Some(dx) => (dx + part)?,
            });
        }
        match dx {
            Some(dx) => Ok(dx),
            None => Ok(Tensor::zeros((dy.dim(0)?, self.columns), dy.dtype(), dy.device())?),
        }
    }

    /// Multiplications and additions of a product with these rows.
    fn operations(&self, left: &Tensor) -> usize {
        2 * left.dims()[0] * self.rows * self.columns
    }

    /// The product by the kernel, where there is one and this is for it.
    fn by_kernel(&self, left: &Tensor, op: WeightOp) -> Result<Option<Tensor>> {
        let Some(kernel) = self.kernel_for(left) else { return Ok(None) };
        let view = self.view();
        let Some(w) = view.numbers() else { return Ok(None) };
        Ok(Some(kernel.of_tensor(left, w, self.dims(), op)?))
    }

    /// What multiplies this left side with the matrix, where it is a kernel.
    pub fn kernel_for(&self, left: &Tensor) -> Option<Kernel> {
        self.kernel.filter(|_| left.device().is_cpu() && left.dtype() == DType::F32)
    }

    /// The matrix as a kernel reads it.
    pub fn view(&self) -> WeightView<'_> {
        match &self.stored {
            Stored::Blocks { format, bytes } => WeightView::Blocks(*format, bytes),
            Stored::Floats(tensor) => WeightView::of(tensor),
        }
    }

    /// The float type that it is kept in; none where it is kept in blocks.
    pub fn floats_of(&self) -> Option<DType> {
        match &self.stored {
            Stored::Floats(tensor) => Some(tensor.dtype()),
            Stored::Blocks { .. } => None,
        }
    }

    /// The numbers of these rows, in order, as f32 in main memory.
    pub fn numbers_of(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        self.expand(rows)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
    }

    /// The rows of these numbers, `[ids.len(), in]`: an embedding's look-up. No other row is decoded.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        // Here, because a device's look-up may not notice.
        if let Some(id) = ids.iter().find(|&&id| id as usize >= self.rows) {
            let what = format!("the token id {id} is outside the vocabulary of {}", self.rows);
            return Err(candle_core::Error::msg(what));
        }
        match &self.stored {
            Stored::Floats(tensor) => {
                let rows = tensor.index_select(&Tensor::new(ids, &self.device)?, 0)?;
                Ok(rows.to_dtype(self.compute_type())?)
            }
            Stored::Blocks { format, bytes } => {
                let row = bytes.len() / self.rows.max(1);
                let mut chosen = Vec::with_capacity(ids.len() * row);
                for &id in ids {
                    let start = id as usize * row;
                    chosen.extend_from_slice(&bytes[start..start + row]);
                }
                let mut numbers = vec![0f32; ids.len() * self.columns];
                blocks::decode(*format, &chosen, &mut numbers);
                Ok(Tensor::from_vec(numbers, (ids.len(), self.columns), &self.device)?)
            }
        }
    }

    /// Squared norm of each row, `[out]`.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn row_squares(&self) -> Result<Tensor> {
        let parts = self.pieces().map(|piece| self.expand(piece)?.sqr()?.sum(1)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 0)
    }

    /// The whole matrix as f32.
    pub fn to_f32(&self) -> Result<Tensor> {
        self.expand(0..self.rows)?.to_dtype(DType::F32)
    }

    /// These rows as numbers of the type that products are computed in.
    fn expand(&self, rows: Range<usize>) -> Result<Tensor> {
        match &self.stored {
            Stored::Floats(tensor) => {
                let part = tensor.narrow(0, rows.start, rows.len())?;
                if tensor.dtype() == self.compute_type() { Ok(part) } else { widen(&part) }
            }
            Stored::Blocks { format, bytes } => {
                let row = bytes.len() / self.rows.max(1);
                let mut numbers = vec![0f32; rows.len() * self.columns];
                blocks::decode(*format, &bytes[rows.start * row..rows.end * row], &mut numbers);
                Ok(Tensor::from_vec(numbers, (rows.len(), self.columns), &self.device)?)
            }
        }
    }

    fn rows_per_piece(&self) -> usize {
        rows_per_piece(self.columns)
    }

    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, most) = (self.rows, self.rows_per_piece());
        (0..rows).step_by(most).map(move |start| start..(start + most).min(rows))
    }
}

/// A matrix that can be read, without a copy, while this holds its lock.
pub enum WeightView<'a> {
    /// Rows of whole blocks of a format.
    Blocks(GgmlDType, &'a [u8]),
    /// A tensor's storage, locked, and where in it the numbers lie.
    Floats(Box<dyn Deref<Target = Storage> + 'a>, &'a Layout),
}

impl<'a> WeightView<'a> {
    /// Locks the storage of `tensor` for reading.
    pub fn of(tensor: &'a Tensor) -> Self {
        let (storage, layout) = tensor.storage_and_layout();
        Self::Floats(Box::new(storage), layout)
    }

    /// None where they lie elsewhere, in another order or in another type than kernels read.
    pub fn numbers(&self) -> Option<Numbers<'_>> {
        match self {
            Self::Blocks(format, bytes) => Some(Numbers::Blocks(*format, bytes)),
            Self::Floats(storage, layout) => match (&***storage, layout.contiguous_offsets()?) {
                (Storage::Cpu(CpuStorage::F32(w)), (start, end)) => Some(Numbers::F32(&w[start..end])),
                (Storage::Cpu(CpuStorage::BF16(w)), (start, end)) => Some(Numbers::Bf16(&w[start..end])),
                (Storage::Cpu(CpuStorage::F16(w)), (start, end)) => Some(Numbers::F16(&w[start..end])),
                _ => None,
            },
        }
    }
}

/// What a matrix holds that was seen to be readable; of another, nothing.
pub fn numbers<'a>(view: &'a WeightView<'_>) -> Numbers<'a> {
    view.numbers().unwrap_or(Numbers::F32(&[]))
}

/// The rows of a matrix that are expanded at once.
pub fn rows_per_piece(columns: usize) -> usize {
    (PIECE / columns.max(1)).max(1)
}

/// The float type of a format that is no blocks.
pub fn float_type(format: GgmlDType) -> Option<DType> {
    match format {
        GgmlDType::F32 => Some(DType::F32),
        GgmlDType::F16 => Some(DType::F16),
        GgmlDType::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// The type that products with weights of this type are computed in: the adapter's, which is f32 (f64 where finite
/// differences are taken). bf16 and f16 save memory, no time: every device expands them. A device that multiplies in
/// bf16 is to be told of here.
fn compute_type(stored: DType) -> DType {
    match stored {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// A contiguous part of a tensor in bf16 or f16 as f32: on the CPU on all cores, which candle's own cast does not use.
fn widen(part: &Tensor) -> Result<Tensor> {
    fn all<T: Sync>(halves: &[T], widen: impl Fn(&[T], &mut [f32]) + Sync) -> Vec<f32> {
        const NUMBERS: usize = 1 << 14;
        let mut numbers = vec![0f32; halves.len()];
        let pieces = numbers.par_chunks_mut(NUMBERS).zip(halves.par_chunks(NUMBERS));
        pieces.for_each(|(numbers, halves)| widen(halves, numbers));
        numbers
    }
    let numbers = {
        let (storage, layout) = part.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::BF16(halves)), Some((start, end))) => {
                Some(all(&halves[start..end], HalfFloatSliceExt::convert_to_f32_slice))
            }
            (Storage::Cpu(CpuStorage::F16(halves)), Some((start, end))) => {
                Some(all(&halves[start..end], HalfFloatSliceExt::convert_to_f32_slice))
            }
            _ => None,
        }
    };
    match numbers {
        Some(numbers) => Ok(Tensor::from_vec(numbers, part.shape(), part.device())?),
        None => Ok(part.to_dtype(DType::F32)?),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::quantized::QTensor;
    use testkit::checks::{difference, f32, random};

    /// A matrix in this format, and the floats that it stands for.
    fn quantised(format: GgmlDType, rows: usize, columns: usize) -> (Weight, Tensor) {
        let device = testkit::device();
        let tensor = f32(&random(&[rows, columns], 4));
        let quantised = QTensor::quantize(&tensor.to_device(&Device::Cpu).unwrap(), format).unwrap();
        let weight = match float_type(format) {
            Some(dtype) => Weight::floats(&tensor.to_dtype(dtype).unwrap()),
            None => Weight::blocks(format, quantised.data().unwrap().into_owned(), (rows, columns), device),
        };
        (weight.unwrap(), quantised.dequantize(&Device::Cpu).unwrap().to_device(device).unwrap())
    }

    const FORMATS: [(GgmlDType, usize); 8] = [
        (GgmlDType::F32, 5),
        (GgmlDType::F16, 5),
        (GgmlDType::BF16, 5),
        (GgmlDType::Q4_0, 96),
        (GgmlDType::Q5_1, 32),
        (GgmlDType::Q8_0, 96),
        (GgmlDType::Q4K, 256),
        (GgmlDType::Q6K, 512),
    ];

    #[test]
    fn products_and_rows_are_those_of_the_floats_bit_for_bit() {
        for (format, columns) in FORMATS {
            let (weight, floats) = quantised(format, 7, columns);
            let dense = Weight::floats(&floats).unwrap();
            assert_eq!((weight.dims(), weight.compute_type()), ((7, columns), DType::F32));
            assert_eq!(weight.bytes() as usize, 7 * columns / format.block_size() * format.type_size());
            let (x, dy) = (f32(&random(&[3, columns], 5)), f32(&random(&[3, 7], 6)));
            let pairs = [
                (weight.product(&x).unwrap(), x.matmul(&floats.t().unwrap()).unwrap()),
                (weight.backward(&dy).unwrap(), dy.matmul(&floats).unwrap()),
                (weight.rows(&[6, 0, 6]).unwrap(), dense.rows(&[6, 0, 6]).unwrap()),
                (weight.row_squares().unwrap(), floats.sqr().unwrap().sum(1).unwrap()),
            ];
            for (found, expected) in pairs {
                assert_eq!(found.dtype(), DType::F32);
                assert!(difference(&found, &expected) == 0.0, "{format:?}");
            }
            assert!(weight.rows(&[7]).is_err());
        }
    }

    /// The kernel itself is tested beside it; here, that each way of storing reaches it, and f64 does not.
    #[test]
    fn with_a_kernel_products_are_its_own_whatever_is_stored() {
        let Some(kernel) = Kernel::of_processor() else {
            eprintln!("left out: products in bf16, which this processor does not have");
            return;
        };
        for (format, columns) in FORMATS {
            let (mut weight, floats) = quantised(format, 7, columns);
            let (x, dy) = (f32(&random(&[3, columns], 5)), f32(&random(&[3, 14], 6)).narrow(1, 3, 7).unwrap());
            weight.set_kernel(Some(kernel));
            let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let numbers = flat(&floats);
            let expected = kernel.forward(&flat(&x), Numbers::F32(&numbers), (7, columns));
            assert_eq!(flat(&weight.product(&x).unwrap()), expected, "{format:?}");
            let expected = kernel.backward(&flat(&dy), Numbers::F32(&numbers), (7, columns));
            assert_eq!(flat(&weight.backward(&dy).unwrap()), expected, "{format:?}");
            assert!(weight.product(&dy).is_err());
        }
        let mut double = Weight::floats(&random(&[4, 3], 1)).unwrap();
        double.set_kernel(Some(kernel));
        assert_eq!(double.product(&random(&[2, 3], 2)).unwrap().dtype(), DType::F64);
    }

    /// Rows long enough that a few of them are more than one piece.
    #[test]
    fn a_matrix_of_several_pieces_is_the_whole_matrix() {
        let columns = PIECE / 2;
        let floats = f32(&random(&[5, 64], 7)).repeat((1, columns / 64)).unwrap();
        let halves = Weight::floats(&floats.to_dtype(DType::BF16).unwrap()).unwrap();
        let floats = floats.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
        let dense = Weight::floats(&floats).unwrap();
        assert_eq!(dense.pieces().collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
        let (x, dy) = (f32(&random(&[2, 64], 8)).repeat((1, columns / 64)).unwrap(), f32(&random(&[2, 5], 9)));
        let (y, dx) = (dense.product(&x).unwrap(), dense.backward(&dy).unwrap());
        assert!(difference(&y, &halves.product(&x).unwrap()) == 0.0);
        assert!(difference(&dense.row_squares().unwrap(), &halves.row_squares().unwrap()) == 0.0);
        assert!(difference(&dx, &halves.backward(&dy).unwrap()) == 0.0);
        let whole = x.matmul(&floats.t().unwrap()).unwrap();
        assert!(difference(&(y / columns as f64).unwrap(), &(whole / columns as f64).unwrap()) < 1e-6);
        assert!(difference(&dx, &dy.matmul(&floats).unwrap()) < 1e-6);
    }

    #[test]
    fn bytes_that_are_no_whole_rows_are_refused() {
        for (bytes, columns) in [(35, 32), (36, 48), (18, 32)] {
            assert!(Weight::blocks(GgmlDType::Q4_0, vec![0; bytes], (2, columns), &Device::Cpu).is_err());
        }
    }
}
