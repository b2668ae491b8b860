/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port as the 8250 driver probes and uses it. */
#include "test.h"
#include "uart.h"

static struct uart uart;

static int setup(void **state)
{
    (void)state;
    uart = (struct uart){.ier = 0};
    return 0;
}

static void output_is_a_byte_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(uart_read(&uart, 5), 0x60);
    assert_int_equal(uart_write(&uart, 0, 'x'), 'x');
    assert_int_equal(uart_read(&uart, 5), 0x60);
    assert_false(uart_interrupt(&uart));
}

static void probes_as_16550a(void **state)
{
    (void)state;
    uart_write(&uart, 2, 1);
    assert_int_equal(uart_read(&uart, 2), 0xc1);
    uart_write(&uart, 7, 0x5a);
    assert_int_equal(uart_read(&uart, 7), 0x5a);
    uart_write(&uart, 1, 0xff);
    assert_int_equal(uart_read(&uart, 1), 0x0f);
}

static void loop_back_shows_modem_lines(void **state)
{
    (void)state;
    uart_write(&uart, 4, 0x10 | 0x0a);
    assert_int_equal(uart_read(&uart, 6) & 0xf0, 0x90);
    assert_int_equal(uart_write(&uart, 0, 'l'), -1);
    assert_int_equal(uart_read(&uart, 0), 'l');
}

static void divisor_hides_data(void **state)
{
    (void)state;
    uart_write(&uart, 3, 0x83);
    assert_int_equal(uart_write(&uart, 0, 1), -1);
    uart_write(&uart, 1, 0);
    assert_int_equal(uart_read(&uart, 0), 1);
    uart_write(&uart, 3, 3);
    assert_int_equal(uart_read(&uart, 0), 0);
}

static void each_sent_byte_is_a_new_interrupt(void **state)
{
    (void)state;
    uart_write(&uart, 1, 2);
    assert_true(uart_interrupt(&uart));
    assert_false(uart_interrupt(&uart));
    assert_int_equal(uart_read(&uart, 2) & 0x0f, 2);
    assert_int_equal(uart_read(&uart, 2) & 0x0f, 1); /* reading it answered it */
    uart_write(&uart, 0, 'a');
    assert_true(uart_interrupt(&uart));
    uart_write(&uart, 0, 'b');
    assert_true(uart_interrupt(&uart));
}

static void receive_comes_before_send(void **state)
{
    (void)state;
    uart_write(&uart, 1, 3);
    uart_receive(&uart, 'r');
    assert_true(uart_interrupt(&uart));
    assert_int_equal(uart_read(&uart, 2) & 0x0f, 4);
    assert_int_equal(uart_read(&uart, 5), 0x61);
    assert_int_equal(uart_read(&uart, 0), 'r');
    assert_int_equal(uart_read(&uart, 2) & 0x0f, 2);
}

static void fifo_keeps_order_and_never_overflows(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++)
        uart_receive(&uart, (uint8_t)i);
    assert_int_equal(uart_room(&uart), 0);
    for (int i = 0; i < UART_FIFO; i++)
        assert_int_equal(uart_read(&uart, 0), i);
    assert_int_equal(uart_read(&uart, 5), 0x60);
    uart_receive(&uart, 1);
    uart_write(&uart, 2, 3); /* clear */
    assert_int_equal(uart_room(&uart), UART_FIFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(output_is_a_byte_at_a_time, setup),
        cmocka_unit_test_setup(probes_as_16550a, setup),
        cmocka_unit_test_setup(loop_back_shows_modem_lines, setup),
        cmocka_unit_test_setup(divisor_hides_data, setup),
        cmocka_unit_test_setup(each_sent_byte_is_a_new_interrupt, setup),
        cmocka_unit_test_setup(receive_comes_before_send, setup),
        cmocka_unit_test_setup(fifo_keeps_order_and_never_overflows, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
