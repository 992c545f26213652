/* cc train.c && ./a.out: a training in C, watched. The same compiles as C++. */
#include "epochwatch.h"

int main(int count, char **arguments) {
    ew_start("train-in-c", 5, 0);
    for (int epoch = 0; epoch < 5; epoch++) ew_beat(epoch, EW_NONE, 1.0 / (epoch + 1));
    if (count > 1 && strcmp(arguments[1], "fail") == 0) ew_fail("a \"bad\" batch");
    else ew_finish();
    return 0;
}
