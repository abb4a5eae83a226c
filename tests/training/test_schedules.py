import keras
import numpy as np
import pytest

from keras_attention.training import InverseSquareRootSchedule, LinearSchedule


def rates(schedule, steps):
    return [float(schedule(keras.ops.convert_to_tensor(s))) for s in steps]


def test_the_rate_rises_to_the_peak_and_falls_with_the_square_root():
    schedule = InverseSquareRootSchedule(0.6, warmup_steps=3)
    # Update n = step + 1: a third, two thirds and all of the peak, then
    # 0.6 * sqrt(3 / 12).
    np.testing.assert_allclose(
        rates(schedule, [0, 1, 2, 11]), [0.2, 0.4, 0.6, 0.3], rtol=1e-6
    )


def test_the_rate_is_that_of_the_paper():
    width, warmup = 512, 4000
    schedule = InverseSquareRootSchedule((width * warmup) ** -0.5, warmup)
    expected = [
        width**-0.5 * min(n**-0.5, n * warmup**-1.5)
        for n in (1, 7, 3999, 4000, 4001, 100_000)
    ]
    ours = rates(schedule, [0, 6, 3998, 3999, 4000, 99_999])
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_the_optimizer_takes_the_first_rate_at_its_first_update():
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.layers[0].kernel.assign([[0.0]])
    model.compile(
        keras.optimizers.SGD(InverseSquareRootSchedule(8.0, 4)),
        # The gradient of the kernel is -1.
        loss=lambda y_true, y_pred: -y_pred,
    )
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    assert model.get_weights()[0].item() == pytest.approx(2.0)


def test_the_schedule_survives_a_config_round_trip():
    optimizer = keras.optimizers.Adam(InverseSquareRootSchedule(0.5, 7))
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert float(again.learning_rate) == pytest.approx(0.5 / 7)


@pytest.mark.parametrize(
    "arguments, name",
    [
        ((0.0, 3), "peak_learning_rate"),
        ((-1.0, 3), "peak_learning_rate"),
        ((1.0, 0), "warmup_steps"),
        ((1.0, 0.5), "warmup_steps"),
    ],
)
def test_impossible_arguments_are_refused(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        InverseSquareRootSchedule(*arguments)


def test_a_line_rises_to_the_peak_and_falls_to_zero_behind_the_last_step():
    schedule = LinearSchedule(0.8, warmup_steps=2, steps=5)
    expected = [0.4, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0]
    np.testing.assert_allclose(
        rates(schedule, range(7)), expected, rtol=1e-6, atol=1e-8
    )
    again = LinearSchedule.from_config(schedule.get_config())
    assert rates(again, [0]) == rates(schedule, [0])
    # All of it may be warm-up.
    assert rates(LinearSchedule(1.0, 1, 1), [0, 1]) == [1.0, 0.0]
    with pytest.raises(ValueError, match="`steps` .* `warmup_steps`, 3"):
        LinearSchedule(1.0, 3, 2)
