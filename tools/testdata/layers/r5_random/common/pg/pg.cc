std::random_device device;
int a = rand();
int b = operand(1);
