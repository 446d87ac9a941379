int* a = new int;
void F() { throw 1; }
void G() { delete a; }
struct S { S(const S&) = delete; };
std::regex r;
void H() { std::cout << 1; }
