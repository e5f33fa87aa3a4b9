"""Makes the .npy and .npz files of this folder with NumPy. Each array holds 0, 1, 2, ... in shape (2, 3)."""
import numpy as np

base = np.arange(6).reshape(2, 3)
for dtype in ["bool", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8",
              "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]:
    name = dtype.replace("<", "le_").replace(">", "be_")
    np.save(f"{name}.npy", base.astype(dtype))
np.save("fortran.npy", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
np.save("scalar.npy", np.float32(2.5))
np.save("empty.npy", np.zeros((0, 3), "<f4"))
np.save("halves.npy", np.array([0, -0.0, 6e-8, 6.1e-5, 65504, np.inf, -np.inf, -1.5, 1 / 3], "<f2"))
np.save("object.npy", np.array([1, "a", None], object), allow_pickle=True)
np.save("records.npy", np.zeros(3, [("a", "<f4"), ("b", "<i4")]))
np.save("text.npy", np.array(["ab", "c"]))
np.save("complex.npy", np.zeros(2, "<c8"))
np.save("big_unsigned.npy", np.array([1, 2**63], "<u8"))
for version in (2, 3):
    with open(f"version{version}.npy", "wb") as out:
        np.lib.format.write_array(out, base.astype("<f4"), version=(version, 0))
np.savez("stored.npz", x=base.astype("u1"), y=np.array([1, 0], "<i8"))
np.savez_compressed("deflated.npz", x_train=np.zeros((8, 16), "<f4"), y_train=np.arange(8),
                    x_test=np.ones((4, 16), "<f4"), y_test=np.arange(4, dtype="u1"))
np.savez("named.npz", image=np.zeros((3, 2), "<f4"), hint=np.ones((3, 1), "<f4"),
         label=np.arange(3))
np.savez("objects.npz", x=base, y=np.array([1, "a"], object))
